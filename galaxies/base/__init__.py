"""What all other wings stand on: arrays, Galaxy Zoo's questions, outputs."""
