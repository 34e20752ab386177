// The network of a bundle in a worker: decode, reduce, predict, explain. The same arithmetic as in
// galaxies/images/decode.py, galaxies/inside/methods.py and galaxies/inside/channels.py.
"use strict";

const STEPS = 12, ROUNDS = 2, REPLACED = [0.02, 0.07, 0.15, 0.3], SMOOTH = 0.7, BLUR = 1 / 16;
const LARGEST = 64_000_000;
let model, forward, backward, ready;

onmessage = async event => {
  const { id, kind, given } = event.data;
  try {
    if (kind === "load") ready = load(given);
    await ready;
    const made = kind === "load" ? {} : await WORK[kind](given);
    postMessage({ id, made });
  } catch (error) {
    postMessage({ id, error: String(error && error.message || error) });
  }
};

async function load(given) {
  model = given.model;
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = given.wasm;
  forward = await ort.InferenceSession.create(given.network);
  const weights = [{ path: "network.onnx", data: given.network }];
  backward = await ort.InferenceSession.create(given.gradient, { externalData: weights });
}

const WORK = {
  async read({ files }) {
    const images = await Promise.all(files.map(async data => {
      try {
        return { pixels: await prepare(data) };
      } catch (error) {
        return { error: error.message };
      }
    }));
    const good = images.filter(image => image.pixels);
    if (good.length) {
      const numbers = await predict(good.map(image => image.pixels));
      good.forEach((image, place) => {
        image.numbers = numbers[place];
        image.distance = distanceOf(appearanceOf(image.pixels, model.size), model.known);
      });
    }
    return images;
  },
  look: ({ pixels, numbers, asked }) => look(pixels, numbers, asked),
};

// --- from a file to the pixels that the network is given

async function prepare(data) {
  const bytes = new Uint8Array(data);
  if (!bytes.length) throw new Error("is empty");
  const jpeg = bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
  const png = [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10].every((byte, place) => bytes[place] === byte);
  if (!jpeg && !png) throw new Error("is not a JPEG or PNG");
  let frame;
  try {
    frame = await createImageBitmap(new Blob([bytes], { type: jpeg ? "image/jpeg" : "image/png" }), {
      colorSpaceConversion: "none", premultiplyAlpha: "none",
    });
  } catch {
    throw new Error("cannot be decoded");
  }
  const { width, height } = frame;
  if (width * height > LARGEST) throw new Error(`is too large: ${width}x${height} pixels`);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(frame, 0, 0);
  frame.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const pixels = reduce(rgba, width, height, jpeg && model.decoding === "scaled");
  refuseBlank(pixels);
  return pixels;
}

// As galaxies.images.pixels.refuse_blank.
function refuseBlank(pixels) {
  const { size } = model, inner = size - 2, even = new Uint8Array(inner * inner);
  for (let row = 0; row < inner; row++) {
    for (let column = 0; column < inner; column++) {
      let most = 0;
      for (let colour = 0; colour < 3; colour++) {
        let low = 255, high = 0;
        for (let y = row; y < row + 3; y++) {
          for (let x = column; x < column + 3; x++) {
            const value = pixels[(y * size + x) * 3 + colour];
            low = Math.min(low, value);
            high = Math.max(high, value);
          }
        }
        most = Math.max(most, high - low);
      }
      even[row * inner + column] = most <= 2 ? 1 : 0;
    }
  }
  const total = even.reduce((sum, one) => sum + one, 0);
  if (total / even.length > 0.995) throw new Error("is blank: there is no galaxy in it");
  const alone = even.reduce((sum, one, at) => sum + (one && !even[even.length - 1 - at] ? 1 : 0), 0);
  if (alone / even.length > 0.25) throw new Error("is blank on one side, up to the galaxy at the centre");
}

function reduce(rgba, width, height, scaled) {
  const { size, crop } = model;
  const possible = Math.floor(Math.min(width, height) / Math.ceil(size / crop));
  const scale = scaled ? [8, 4, 2].find(one => one <= possible) || 1 : 1;
  let source = { data: rgba, width, height, step: 4 };
  if (scale > 1) source = averaged(source, scale);
  const middle = [width / scale / 2, height / scale / 2];
  const half = crop * Math.min(width, height) / scale / 2;
  const [x, y] = middle;
  const window = scale === 1 ? BOX : HAMMING;
  return resized(source, size, [x - half, y - half, x + half, y + half], window);
}

// What libjpeg computes when it decodes at half, a quarter or an eighth of the scale.
function averaged({ data, width, height, step }, scale) {
  const across = Math.ceil(width / scale), down = Math.ceil(height / scale);
  const made = new Uint8ClampedArray(across * down * 3);
  for (let row = 0; row < down; row++) {
    for (let column = 0; column < across; column++) {
      const sums = [0, 0, 0];
      let count = 0;
      for (let y = row * scale; y < Math.min(height, (row + 1) * scale); y++) {
        for (let x = column * scale; x < Math.min(width, (column + 1) * scale); x++) {
          const at = (y * width + x) * step;
          sums[0] += data[at]; sums[1] += data[at + 1]; sums[2] += data[at + 2];
          count++;
        }
      }
      for (let colour = 0; colour < 3; colour++) {
        made[(row * across + column) * 3 + colour] = Math.round(sums[colour] / count);
      }
    }
  }
  return { data: made, width: across, height: down, step: 3 };
}

const BOX = { support: 0.5, weight: x => (x > -0.5 && x <= 0.5 ? 1 : 0) };
const HAMMING = {
  support: 1,
  weight: x => {
    if (x === 0) return 1;
    if (Math.abs(x) >= 1) return 0;
    const angle = x * Math.PI;
    return Math.sin(angle) / angle * (0.54 + 0.46 * Math.cos(angle));
  },
};

// Pillow's Image.resize with a box: first the rows, then the columns, with 8 bits between.
function weights(size, start, end, length, filter) {
  const scale = (end - start) / size, wide = Math.max(scale, 1), support = filter.support * wide;
  return Array.from({ length: size }, (_, place) => {
    const centre = start + (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(length, Math.trunc(centre + support + 0.5));
    const each = [];
    for (let at = first; at < last; at++) each.push(filter.weight((at - centre + 0.5) / wide));
    const total = each.reduce((sum, one) => sum + one, 0);
    return { first, each: each.map(one => one / (total || 1)) };
  });
}

function resized({ data, width, height, step }, size, [left, top, right, bottom], filter) {
  const across = weights(size, left, right, width, filter);
  const down = weights(size, top, bottom, height, filter);
  const rows = new Uint8ClampedArray(height * size * 3);
  const used = { first: down[0].first, last: down[size - 1].first + down[size - 1].each.length };
  for (let y = used.first; y < used.last; y++) {
    across.forEach(({ first, each }, x) => {
      for (let colour = 0; colour < 3; colour++) {
        let sum = 0;
        each.forEach((one, place) => { sum += one * data[(y * width + first + place) * step + colour]; });
        rows[(y * size + x) * 3 + colour] = Math.floor(sum + 0.5);
      }
    });
  }
  const made = new Uint8Array(size * size * 3);
  down.forEach(({ first, each }, y) => {
    for (let at = 0; at < size * 3; at++) {
      let sum = 0;
      each.forEach((one, place) => { sum += one * rows[(first + place) * size * 3 + at]; });
      made[y * size * 3 + at] = Math.min(255, Math.max(0, Math.floor(sum + 0.5)));
    }
  });
  return made;
}

// --- the answers

// A flip and quarter turns, as galaxies.bundle.views.view_of.
function turned(pixels, view) {
  if (!view) return pixels;
  const { size } = model, made = new Uint8Array(pixels.length);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      let y = row, x = column;
      for (let turn = 0; turn < view % 4; turn++) [y, x] = [x, size - 1 - y];
      if (view >= 4) x = size - 1 - x;
      for (let colour = 0; colour < 3; colour++) {
        made[(row * size + column) * 3 + colour] = pixels[(y * size + x) * 3 + colour];
      }
    }
  }
  return made;
}

async function predict(images) {
  const { size, views } = model, each = size * size * 3;
  const found = images.map(() => []);
  for (let view = 0; view < views; view++) {
    const data = new Uint8Array(images.length * each);
    images.forEach((pixels, place) => data.set(turned(pixels, view), place * each));
    const image = new ort.Tensor("uint8", data, [images.length, size, size, 3]);
    const output = forward.outputNames[0];
    const { [output]: { data: numbers } } = await forward.run({ image }, [output]);
    const count = numbers.length / images.length;
    found.forEach((list, place) => list.push(Array.from(numbers.slice(place * count, (place + 1) * count))));
  }
  return found;
}

// --- evidence, as galaxies.inside.methods.evidence

async function gradients(images, direction, outputs) {
  const { size } = model, count = direction.length, each = size * size * 3;
  const data = new Float32Array(images.length * each);
  images.forEach((pixels, place) => data.set(pixels, place * each));
  const towards = new Float32Array(images.length * count);
  images.forEach((_, place) => towards.set(direction, place * count));
  return backward.run({
    image: new ort.Tensor("float32", data, [images.length, size, size, 3]),
    direction: new ort.Tensor("float32", towards, [images.length, count]),
  }, outputs);
}

// The score is the logit of an answer against the others to its question.
function directionOf(numbers, { start, stop, answer, alone }) {
  const direction = new Float32Array(numbers.length);
  if (alone) return direction.fill(answer ? 1 : -1);
  const others = [];
  for (let place = start; place < stop; place++) if (place !== start + answer) others.push(place);
  const largest = Math.max(...others.map(place => numbers[place]));
  const total = others.reduce((sum, place) => sum + Math.exp(numbers[place] - largest), 0);
  others.forEach(place => { direction[place] = -Math.exp(numbers[place] - largest) / total; });
  direction[start + answer] = 1;
  return direction;
}

async function slopesOf(images, asked, numbers) {
  if (asked.alone || asked.stop - asked.start === 2) {
    return (await gradients(images, directionOf(numbers, asked), ["pixels"])).pixels.data;
  }
  const made = new Float32Array(images.length * images[0].length);
  for (let place = 0; place < images.length; place++) {
    const one = [images[place]];
    const zero = new Float32Array(numbers.length);
    const at = (await gradients(one, zero, ["numbers"])).numbers.data;
    const slopes = await gradients(one, directionOf(at, asked), ["pixels"]);
    made.set(slopes.pixels.data, place * one[0].length);
  }
  return made;
}

function skyOf(pixels) {
  const { size } = model, width = Math.max(1, Math.floor(size / 16));
  const made = new Float32Array(pixels.length);
  for (let colour = 0; colour < 3; colour++) {
    const border = [];
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        const inner = row >= width && row < size - width && column >= width && column < size - width;
        if (!inner) border.push(pixels[(row * size + column) * 3 + colour]);
      }
    }
    border.sort((one, other) => one - other);
    const half = border.length / 2;
    const median = border.length % 2 ? border[Math.floor(half)] : (border[half - 1] + border[half]) / 2;
    for (let at = colour; at < made.length; at += 3) made[at] = median;
  }
  return made;
}

function smoothed(map, width) {
  const side = model.size, reach = Math.min(Math.ceil(4 * width), side);
  const kernel = [];
  for (let step = -reach; step <= reach; step++) kernel.push(Math.exp(-0.5 * (step / width) ** 2));
  const total = kernel.reduce((sum, one) => sum + one, 0);
  const mirrored = place => {
    if (place < 0) place = -1 - place;
    return place >= side ? 2 * side - 1 - place : place;
  };
  const along = (values, rows) => {
    const made = new Float64Array(side * side);
    for (let fixed = 0; fixed < side; fixed++) {
      for (let place = 0; place < side; place++) {
        let sum = 0;
        for (let step = -reach; step <= reach; step++) {
          const other = mirrored(place + step);
          sum += kernel[step + reach] * values[rows ? fixed * side + other : other * side + fixed];
        }
        made[rows ? fixed * side + place : place * side + fixed] = sum / total;
      }
    }
    return made;
  };
  return along(along(map, true), false);
}

function blurredOf(pixels) {
  const made = new Float32Array(pixels.length);
  for (let colour = 0; colour < 3; colour++) {
    const one = new Float64Array(pixels.length / 3);
    for (let at = 0; at < one.length; at++) one[at] = pixels[3 * at + colour];
    smoothed(one, BLUR * model.size).forEach((value, at) => { made[3 * at + colour] = value; });
  }
  return made;
}

const NODES = [-0.932469514203152, -0.661209386466265, -0.238619186083197,
  0.238619186083197, 0.661209386466265, 0.932469514203152];  // Gauss and Legendre, 6 steps
const SHARES = [0.17132449237917, 0.360761573048139, 0.467913934572691,
  0.467913934572691, 0.360761573048139, 0.17132449237917];

async function evidenceOf(pixels, numbers, asked) {
  const image = Float32Array.from(pixels), each = image.length;
  const bare = skyOf(image), soft = blurredOf(image);
  const map = new Float64Array(each / 3);
  for (const start of [bare, soft]) {
    const path = NODES.map(node => image.map((value, at) => start[at] + (node + 1) / 2 * (value - start[at])));
    const slopes = await slopesOf(path, asked, numbers);
    path.forEach((_, step) => {
      for (let at = 0; at < each; at++) {
        map[Math.floor(at / 3)] += SHARES[step] / 2 * slopes[step * each + at] * (image[at] - start[at]) / 2;
      }
    });
  }
  for (let round = 0; round < ROUNDS; round++) {
    const important = smoothed(map, SMOOTH);
    const order = Array.from(important.keys()).sort((one, other) => important[other] - important[one] || one - other);
    const rank = new Int32Array(order.length);
    order.forEach((at, place) => { rank[at] = place; });
    const ways = [[bare, image], [image, bare], [image, soft]];
    const changed = REPLACED.flatMap(share => ways.map(([inside, outside]) =>
      image.map((_, at) => (rank[Math.floor(at / 3)] < share * rank.length ? inside : outside)[at])));
    const slopes = await slopesOf(changed, asked, numbers);
    changed.forEach((_, way) => {
      const start = ways[way % 3][1] === soft ? soft : bare;
      for (let at = 0; at < each; at++) {
        map[Math.floor(at / 3)] += slopes[way * each + at] * (image[at] - start[at]) / changed.length;
      }
    });
  }
  return Float32Array.from(smoothed(map, SMOOTH), value => value / (1 + ROUNDS));
}

// --- the layers: the channels with the largest share in the effect on the answer

async function look(pixels, numbers, asked) {
  const evidence = await evidenceOf(pixels, numbers, asked);
  const outputs = model.layers.flatMap(({ name }) => [`activations/${name}`, `slopes/${name}`]);
  const found = await gradients([pixels], directionOf(numbers, asked), outputs);
  const layers = model.layers.map(layer => {
    const values = found[`activations/${layer.name}`], slopes = found[`slopes/${layer.name}`].data;
    const [, channels, rows, columns] = values.dims;
    const effects = new Float64Array(channels);
    for (let channel = 0; channel < channels; channel++) {
      for (let at = channel * rows * columns; at < (channel + 1) * rows * columns; at++) {
        effects[channel] += values.data[at] * slopes[at];
      }
    }
    const total = effects.reduce((sum, one) => sum + Math.abs(one), 0) || 1;
    const ranked = Array.from(effects.keys()).sort((one, other) => Math.abs(effects[other]) - Math.abs(effects[one]));
    return {
      ...layer, rows, columns, channels,
      shown: ranked.slice(0, 3).filter(channel => effects[channel]).map(channel => ({
        channel,
        share: effects[channel] / total,
        values: values.data.slice(channel * rows * columns, (channel + 1) * rows * columns),
      })),
    };
  });
  return { evidence, layers };
}
