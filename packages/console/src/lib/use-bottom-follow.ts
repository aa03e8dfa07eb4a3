/**
 * Owns the scroll position of a growing list: stays at the end, until the reader scrolls up. Heights change
 * without the reader (text streams in, rows off the page are only estimated), so growth is watched and only a
 * movement upwards counts as the reader's wish.
 */
import { type MouseEvent, useCallback, useLayoutEffect, useRef, useState } from "react";

/** Coming back down this near to the end follows again. */
const NEAR_PX = 80;
/** Fractions of a pixel are no distance. */
const AT_END_PX = 2;

/** Put `frameRef` on what scrolls and `contentRef` on what grows in it. `live` goes to the end by itself. */
export function useBottomFollow<F extends HTMLElement, C extends HTMLElement>(live = true) {
  const frameRef = useRef<F>(null);
  const contentRef = useRef<C>(null);
  const following = useRef(live);
  const topPx = useRef(0);
  const [away, setAway] = useState(false);

  const toEnd = useCallback(() => {
    const frame = frameRef.current;
    if (frame === null) return;
    following.current = true;
    setAway(false);
    frame.scrollTop = frame.scrollHeight;
    topPx.current = frame.scrollTop;
  }, []);
  const onScroll = useCallback(() => {
    const frame = frameRef.current;
    if (frame === null) return;
    const leftPx = frame.scrollHeight - frame.scrollTop - frame.clientHeight;
    const upwards = frame.scrollTop < topPx.current;
    topPx.current = frame.scrollTop;
    if (upwards && leftPx > AT_END_PX) following.current = false;
    else if (leftPx < NEAR_PX) following.current = true;
    setAway(!following.current);
  }, []);
  /** What the reader opens grows under their eyes; running to the end would take it away. */
  const onClickCapture = useCallback((event: MouseEvent) => {
    const opens = event.target instanceof Element && event.target.closest("[aria-expanded]");
    if (opens) following.current = false;
  }, []);
  useLayoutEffect(() => {
    if (live) following.current = true;
  }, [live]);
  useLayoutEffect(() => {
    const content = contentRef.current;
    const frame = frameRef.current;
    if (content === null || frame === null) return;
    const observer = new ResizeObserver(() => {
      if (following.current) toEnd();
      else setAway(frame.scrollHeight - frame.scrollTop - frame.clientHeight > NEAR_PX);
    });
    observer.observe(content);
    observer.observe(frame);
    return () => observer.disconnect();
  }, [toEnd]);
  return { frameRef, contentRef, onScroll, onClickCapture, away, toEnd };
}
