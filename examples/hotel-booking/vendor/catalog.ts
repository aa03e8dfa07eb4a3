/**
 * Owns what the vendor sells: cities, hotels, room types, nightly prices and how many rooms there are.
 * Data only. Prices are cents of euro per room and night; `rooms` is the stock of one night.
 */

export interface RoomType {
  readonly name: string;
  readonly guestsMax: number;
  readonly pricePerNightCents: number;
  readonly rooms: number;
}

export interface Hotel {
  readonly id: string;
  readonly name: string;
  readonly city: string;
  readonly stars: number;
  readonly roomTypes: readonly RoomType[];
}

type Row = readonly [name: string, stars: number, double: number, family: number, rooms: number];

/** Per city: hotel, stars, nightly price in whole euros of a double (2) and a family room (4), rooms of each type. */
const ROWS: Readonly<Record<string, readonly Row[]>> = {
  Lisbon: [
    ["Grand Hotel Miramar", 5, 320, 460, 12],
    ["Casa do Rossio", 3, 140, 215, 10],
    ["Tejo Garden Hotel", 4, 210, 305, 14],
  ],
  Porto: [
    ["Palacete da Ribeira", 5, 290, 410, 8],
    ["Hotel Douro Vista", 4, 185, 270, 12],
    ["Pensao das Flores", 2, 85, 130, 6],
  ],
  Madrid: [
    ["Palacio de Cibeles", 5, 345, 490, 10],
    ["Hotel Retiro Parque", 4, 195, 280, 16],
    ["Hostal La Latina", 2, 95, 140, 8],
  ],
  Barcelona: [
    ["Hotel Mar i Cel", 5, 360, 520, 10],
    ["Gracia Boutique Hotel", 4, 220, 315, 9],
    ["Casa del Born", 3, 150, 225, 7],
  ],
  Paris: [
    ["Hotel du Palais Royal", 5, 420, 610, 8],
    ["Le Petit Montmartre", 3, 165, 240, 12],
    ["Rive Gauche Residence", 4, 245, 350, 10],
  ],
  Berlin: [
    ["Spree Palais", 5, 310, 440, 12],
    ["Hotel Am Savignyplatz", 4, 175, 255, 14],
    ["Kreuzberg Lofts", 3, 120, 180, 10],
  ],
  Rome: [
    ["Palazzo Quirinale", 5, 380, 545, 9],
    ["Albergo Trastevere", 3, 155, 230, 11],
    ["Villa Celimontana", 4, 230, 330, 8],
  ],
  Vienna: [
    ["Hotel Ringstrasse Imperial", 5, 335, 475, 10],
    ["Naschmarkt Hotel", 4, 190, 275, 12],
    ["Pension Josefstadt", 3, 115, 170, 6],
  ],
  Amsterdam: [
    ["Keizersgracht Grand", 5, 395, 560, 8],
    ["Jordaan Canal House", 4, 240, 345, 7],
    ["De Pijp Inn", 3, 160, 235, 9],
  ],
  London: [
    ["The Aldwych Crown", 5, 450, 640, 12],
    ["Bloomsbury Square Hotel", 4, 255, 365, 15],
    ["Camden Lock Rooms", 2, 110, 165, 8],
  ],
};

export const HOTELS: readonly Hotel[] = Object.entries(ROWS).flatMap(([city, rows]) =>
  rows.map((row) => hotel(city, row)),
);

export const CITIES: readonly string[] = Object.keys(ROWS);

function hotel(city: string, [name, stars, double, family, rooms]: Row): Hotel {
  const slug = `${city} ${name}`.toLowerCase().replace(/[^a-z0-9]+/g, "_");
  return {
    id: `htl_${slug}`,
    name,
    city,
    stars,
    roomTypes: [
      { name: "double", guestsMax: 2, pricePerNightCents: double * 100, rooms },
      {
        name: "family",
        guestsMax: 4,
        pricePerNightCents: family * 100,
        rooms: Math.ceil(rooms / 3),
      },
    ],
  };
}
