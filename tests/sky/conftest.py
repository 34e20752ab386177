"""Tests of the sky meet no network but this machine's, and no cache but their own."""

import pytest

from stand_ins import serving


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GALAXIES_CONTACT", raising=False)


@pytest.fixture
def service():
    with serving() as service:
        yield service
