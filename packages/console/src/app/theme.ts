/** Owns Concert's look as Mantine sees it. Surfaces and text colours are in `global.css`. */
import { createTheme, type MantineColorsTuple } from "@mantine/core";

/** From a whisper of green-blue to ink. */
const brand: MantineColorsTuple = [
  "#eaf6f4",
  "#d5ebe8",
  "#a8d6d0",
  "#78c0b7",
  "#52aea3",
  "#2f9b8f",
  "#1c8076",
  "#0f6a62",
  "#0d5c56",
  "#08413d",
];

/** Warm stone instead of Mantine's cool greys, so that controls sit in the page. */
const gray: MantineColorsTuple = [
  "#f8f7f4",
  "#f0efeb",
  "#e6e4de",
  "#dad8d0",
  "#c6c3ba",
  "#a9a69d",
  "#85827a",
  "#5f5d57",
  "#3f3e3a",
  "#262522",
];

/** The surfaces of the dark look, lightest text first. */
const dark: MantineColorsTuple = [
  "#d3d8d6",
  "#b3bab7",
  "#929a97",
  "#5d6562",
  "#363d3b",
  "#2b312f",
  "#212625",
  "#1b1f1e",
  "#141716",
  "#101312",
];

export const theme = createTheme({
  primaryColor: "brand",
  primaryShade: { light: 8, dark: 6 },
  colors: { brand, gray, dark },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  fontFamily:
    'ui-sans-serif, -apple-system, "Segoe UI", "Inter", Roboto, "Helvetica Neue", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, monospace',
});
