// How an image looks, in 29 numbers, and how far it is from the known galaxies. The same arithmetic
// as in galaxies/judgement/appearance.py and galaxies/judgement/familiarity.py.
"use strict";

const RINGS = [0, 1 / 16, 1 / 8, 1 / 4, 1 / 2], BLOCKS = 16, QUANTILES = [0.05, 0.25, 0.5, 0.9, 0.99];

const meanOf = values => values.reduce((sum, value) => sum + value, 0) / values.length;

// The means of blocks of pixels, a square for each channel.
function blocksOf(pixels, size) {
  const block = Math.max(1, Math.floor(size / BLOCKS)), side = Math.floor(size / block);
  const edge = Math.floor((size - side * block) / 2);
  const channels = [0, 1, 2].map(() => new Float64Array(side * side));
  for (let y = 0; y < side * block; y++) {
    for (let x = 0; x < side * block; x++) {
      const at = Math.floor(y / block) * side + Math.floor(x / block);
      for (let colour = 0; colour < 3; colour++) {
        channels[colour][at] += pixels[((edge + y) * size + edge + x) * 3 + colour] / block ** 2;
      }
    }
  }
  return { channels, side };
}

// Sharpness needs all pixels; the green channel is enough.
function sharpnessOf(pixels, size) {
  const green = Int16Array.from({ length: size * size }, (_, at) => pixels[3 * at + 1]);
  let steps = 0, others = 0, rough = 0;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const at = y * size + x, right = x + 1 < size, below = y + 1 < size;
      const across = right ? green[at + 1] - green[at] : 0, down = below ? green[at + size] - green[at] : 0;
      steps += Math.abs(across) + Math.abs(down);
      others += (across !== 0) + (down !== 0);
      if (x && y && right && below) {
        rough += Math.abs(across + down + green[at - 1] + green[at - size] - 2 * green[at]);
      }
    }
  }
  const pairs = 2 * size * (size - 1);
  return { rough: rough / (size - 2) ** 2, slope: steps / pairs, flat: 1 - others / pairs };
}

function appearanceOf(pixels, size) {
  const { channels: [red, green, blue], side } = blocksOf(pixels, size);
  const grey = red.map((value, at) => (value + green[at] + blue[at]) / 3);
  const sorted = [red, green, blue].map(channel => channel.slice().sort());
  const places = QUANTILES.map(share => Math.floor(share * (grey.length - 1)));
  const colours = [[red, green], [green, blue], [red, blue]]
    .map(([one, other]) => meanOf(one.map((value, at) => Math.abs(value - other[at]))));
  const band = Math.max(1, Math.floor(side / 8));
  const within = [(y, x) => y < band, (y, x) => y >= side - band, (y, x) => x < band, (y, x) => x >= side - band];
  const sides = within.map(inside => meanOf(grey.filter((_, at) => inside(Math.floor(at / side), at % side))))
    .sort((one, other) => one - other);
  const { rough, slope, flat } = sharpnessOf(pixels, size);
  const above = grey.map(value => Math.max(value - (sides[0] + sides[1]) / 2, 0));
  const total = above.reduce((sum, value) => sum + value, 0) + 1, middle = (side - 1) / 2;
  const rings = RINGS.slice(1).map(() => 0);
  above.forEach((value, at) => {
    const radius = Math.hypot(Math.floor(at / side) - middle, at % side - middle) / side;
    const ring = RINGS.findIndex(outer => radius < outer) - 1;
    if (ring >= 0) rings[ring] += value / total;
  });
  return [
    ...places.flatMap(place => sorted.map(channel => Math.log(channel[place] + 4))),
    ...colours.map(value => Math.log(value + 0.3)),
    ...sides.map(value => Math.log(value + 4)),
    Math.log(rough + 0.3), Math.log(slope + 0.3), Math.log(flat + 0.01),
    ...rings.map(value => Math.log(value + 0.02)),
  ].map(Math.fround);
}

function distanceOf(looks, { centre, axes }) {
  const turned = centre.map((_, axis) => looks.reduce((sum, value, at) => sum + (value - centre[at]) * axes[at][axis], 0));
  return Math.fround(Math.hypot(...turned));
}
