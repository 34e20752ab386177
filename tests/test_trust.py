"""The table "What was tried" in docs/trust.md: each line is held by tests that exist."""

import re
from typing import Final

import pytest

from tests.conftest import ROOT

PROOFS: Final[dict[str, dict[str, list[str]]]] = {
    "FITS planes of HST, JWST, LSST, HSC, DES": {
        "images/test_fits.py": [
            "test_only_light_is_used",
            "test_what_is_not_clear_is_an_error",
            "test_what_may_be_no_light_is_an_error",
            "test_magnitudes_are_no_fluxes",
            "test_a_plane_that_says_it_is_no_light_is_refused",
            "test_a_spectral_axis_is_put_in_order_of_wavelength",
        ],
        "images/test_units.py": [
            "test_magnitudes_and_logarithms_are_wrong",
            "test_squares_inverses_and_times_are_not_light",
            "test_units_that_are_not_known_are_wrong",
        ],
        "images/test_bands.py": [
            "test_these_are_no_light",
        ],
    },
    "filters of JWST, HST, Roman, Euclid, GAL": {
        "images/test_filters.py": [
            "test_webb_is_red",
            "test_known_filters_are_sorted",
            "test_unknown_filters_are_an_error",
            "test_a_name_of_two_telescopes_needs_one",
            "test_a_cube_of_one_filter_is_not_three_colours",
        ],
    },
    "JPEGs of which the decoder warns, PNGs w": {
        "images/test_decode.py": [
            "test_a_damaged_jpeg_says_why_at_every_scale",
            "test_every_damaged_byte_of_a_png_is_noticed",
        ],
        "images/test_complete.py": [
            "test_a_png_without_its_last_rows_is_refused",
            "test_a_progressive_jpeg_without_its_last_scans_is_refused",
        ],
        "images/test_fits.py": [
            "test_data_that_do_not_match_their_checksum_are_refused",
        ],
    },
    "blank, half blank and transparent frames": {
        "images/test_pixels.py": [
            "test_a_frame_without_a_galaxy_is_refused",
            "test_a_frame_with_a_blank_rectangle_is_refused",
        ],
        "classifying/test_job.py": [
            "test_a_frame_without_a_galaxy_is_never_decided",
        ],
    },
    "a damaged file that was opened with Pill": {
        "images/test_pixels.py": [
            "test_an_image_that_is_not_loaded_is_checked_like_its_file",
        ],
    },
    "two columns that may be the right ascens": {
        "sky/test_positions.py": [
            "test_two_columns_for_one_quantity_are_an_error",
        ],
    },
    "one frame as file, bytes, Pillow image o": {
        "images/test_pixels.py": [
            "test_file_frame_and_array_have_the_same_pixels",
            "test_frames_of_other_modes_show_the_same_galaxy",
        ],
    },
    "archives that are cut, damaged, joined, ": {
        "tables/test_hats.py": [
            "test_a_catalogue_without_a_partition_or_some_of_its_rows_is_refused",
        ],
        "classifying/test_inputs.py": [
            "test_zip_archives_that_were_joined_are_refused_never_half_read",
            "test_a_tar_archive_that_was_never_filled_is_refused",
            "test_a_tar_archive_that_ends_early_is_never_a_shorter_survey",
            "test_links_in_a_tar_archive_are_rows",
            "test_a_zip_archive_lists_as_many_members_as_its_end_says",
            "test_an_archive_of_a_whole_folder_is_not_hidden",
        ],
    },
    "folders that cannot be read, links, also": {
        "classifying/test_inputs.py": [
            "test_a_link_to_nothing_is_an_error_in_its_row",
            "test_linked_and_unreadable_folders_are_followed_or_counted",
            "test_names_of_any_bytes_stay_apart",
        ],
    },
    "columns whose `ID` is another's name, va": {
        "tables/test_misleading.py": [
            "test_columns_of_a_votable_are_not_confused_by_their_ids",
            "test_a_value_of_a_votable_that_does_not_fit_is_an_error",
            "test_rows_cannot_disappear_in_a_cell",
            "test_of_several_fits_tables_the_one_with_ids_and_files_is_read",
            "test_a_fits_table_that_does_not_match_its_checksum_is_refused",
            "test_ids_that_another_program_rounded_are_refused",
        ],
    },
    "unsigned integers with and without missi": {
        "tables/test_writing.py": [
            "test_integers_of_fits_are_read_by_every_program",
            "test_stilts_reads_every_integer_of_fits",
            "test_ids_with_any_letter_are_kept_or_refused",
        ],
    },
    "a header of 600 bytes that becomes 2 GB,": {
        "tables/test_misleading.py": [
            "test_a_header_that_multiplies_itself_takes_no_memory",
            "test_a_text_of_a_megabyte_is_refused_before_it_is_repeated",
        ],
    },
    "the largest PNGs, JPEGs, arrays and Pill": {
        "images/test_memory.py": [
            "test_one_image_takes_less_than_a_gigabyte",
        ],
    },
    "NaNs that signal, numbers beyond all lim": {
        "images/test_fits.py": [
            "test_numbers_that_signal_are_blank_pixels_without_a_warning",
            "test_numbers_beyond_all_limits_are_blank_pixels",
        ],
    },
    "headers that promise petabytes, 40 kB th": {
        "images/test_fits.py": [
            "test_impossible_sizes_are_refused_before_memory_is_taken",
        ],
        "classifying/test_inputs.py": [
            "test_a_member_takes_no_more_memory_than_its_header_says",
            "test_a_name_of_gigabytes_takes_no_memory",
        ],
    },
    "a network, a gradient or known galaxies ": {
        "bundle/test_own_files.py": [
            "test_a_part_of_another_bundle_is_refused",
            "test_weights_that_are_no_numbers_give_no_answers",
        ],
    },
    "images, or an archive, replaced while a ": {
        "classifying/test_changed_meanwhile.py": [
            "test_images_of_a_catalogue_that_were_replaced_are_classified_again",
            "test_an_image_that_was_replaced_by_one_of_equal_size_and_time_is_classified_again",
            "test_a_shard_that_lost_rows_is_made_again",
            "test_an_archive_of_the_same_size_and_time_is_noticed",
            "test_an_input_of_equal_size_and_time_is_another_job",
        ],
    },
    "two jobs with one output, or one that wa": {
        "classifying/test_changed_meanwhile.py": [
            "test_two_jobs_cannot_have_one_output",
            "test_a_process_that_was_killed_leaves_no_lock",
        ],
    },
    "an output over an input, or among the in": {
        "test_over_inputs.py": [
            "test_an_output_over_an_input_is_refused",
        ],
    },
    "a catalogue with files on disk and in se": {
        "classifying/test_changed_meanwhile.py": [
            "test_one_catalogue_has_files_in_several_places",
        ],
    },
    "subject sets with equal IDs; the team's ": {
        "volunteers/test_counting.py": [
            "test_two_subject_sets_with_equal_ids_are_kept_apart",
            "test_rows_that_are_no_votes_of_volunteers_do_not_count",
            "test_a_person_in_two_windows_counts_once_also_without_login",
        ],
    },
    "a vote torn by a full disk": {
        "pages/test_labelling.py": [
            "test_a_vote_that_a_full_disk_tore_is_not_joined_to_the_next",
        ],
    },
    "vote fractions that sum to 0.01 or 2.4; ": {
        "dataset/test_votes.py": [
            "test_fractions_that_are_none_of_all_volunteers_are_refused",
            "test_hard_votes_stay_hard_among_counted_ones_on_the_same_questions",
        ],
    },
    "a bundle calibrated twice on one survey;": {
        "recalibrating/test_surveys.py": [
            "test_the_galaxies_of_a_calibration_do_not_test_the_next_one",
            "test_a_survey_that_becomes_familiar_has_no_promises_of_other_campaigns",
        ],
    },
    "surveys of three galaxies, one class, id": {
        "surveys/test_degenerate.py": [
            "test_check_and_the_pipeline_agree",
        ],
    },
    "Python ends while Arrow reads ahead": {
        "tables/test_catalogue.py": [
            "test_python_may_end_while_a_catalogue_is_read",
        ],
    },
    "a kill while a folder is replaced; SIGTE": {
        "base/test_outputs.py": [
            "test_a_folder_is_never_absent_while_it_is_replaced",
        ],
        "test_cli.py": [
            "test_a_job_that_is_ended_cleans_up",
        ],
    },
    "requests to `explore` and `label` under ": {
        "pages/test_serving.py": [
            "test_another_host_name_is_refused",
            "test_another_site_is_refused_even_under_our_name",
        ],
    },
    "ONNX Runtime's usage data and device ID": {
        "test_cli.py": [
            "test_onnx_runtime_sends_and_keeps_nothing",
        ],
    },
}
"""Test functions by file, for the lines that begin so, in their order."""


def rows() -> list[tuple[str, set[str]]]:
    """What was tried, and the files of tests that the page names."""
    text = (ROOT / "docs/trust.md").read_text(encoding="utf-8")
    table = text.partition("## What was tried")[2].partition("\n\n`python")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return [(first, set(re.findall("`([a-z_]+)`", tests))) for first, _, tests in cells[1:]]


def test_every_line_has_its_tests():
    assert [tried[:40] for tried, _ in rows()] == list(PROOFS)
    for (_, named), proofs in zip(rows(), PROOFS.values(), strict=True):
        assert named == {file.rpartition("/")[2].removesuffix(".py") for file in proofs}


@pytest.mark.parametrize("tried", PROOFS)
def test_the_tests_of_a_line_exist(tried):
    for file, functions in PROOFS[tried].items():
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        for function in functions:
            assert re.search(rf"^def {function}\(", text, re.M), (file, function)
