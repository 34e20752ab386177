"""Used by all other wings: arrays, Galaxy Zoo's questions, outputs."""
