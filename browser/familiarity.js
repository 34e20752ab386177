// Whether galaxies look like those that the network was calibrated on, as galaxies.judgement.familiarity.
"use strict";

const LEVEL = 0.01, FEWEST = 99, TOLERATED = 0.02;

const enough = ({ distances }) => distances.length >= FEWEST;

// The conformal p-value: the share of known galaxies at least as far.
function pValue(distance, { distances }) {
  let nearer = 0, end = distances.length;
  while (nearer < end) {
    const middle = Math.floor((nearer + end) / 2);
    if (distances[middle] < distance) nearer = middle + 1;
    else end = middle;
  }
  return (1 + distances.length - nearer) / (distances.length + 1);
}

const isFamiliar = (distance, known) => enough(known) ? pValue(distance, known) > LEVEL : null;

// The probability that at least so many of the galaxies are unfamiliar by chance: beta-binomial.
function surveyPValue(unfamiliar, galaxies, { distances }) {
  const below = Math.floor(LEVEL * (distances.length + 1) + 1e-9), above = distances.length + 1 - below;
  let log = 0, fewer = 0;  // the logarithm of the probability of 0 of them, then of 1, ...
  for (let i = 0; i < galaxies; i++) log += Math.log((above + i) / (below + above + i));
  for (let j = 0; j < unfamiliar; j++) {
    fewer += Math.exp(log);
    log += Math.log((galaxies - j) * (below + j) / ((j + 1) * (above + galaxies - j - 1)));
  }
  return Math.max(0, 1 - fewer);
}

function surveyIsFamiliar(unfamiliar, galaxies, known) {
  if (!galaxies || !enough(known)) return null;
  return !(unfamiliar > TOLERATED * galaxies && surveyPValue(unfamiliar, galaxies, known) <= LEVEL);
}
