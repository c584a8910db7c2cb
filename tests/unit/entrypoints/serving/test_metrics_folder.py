"""Room for metrics, and none."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from order_aggregator.adapters.system.settings import read_settings
from order_aggregator.entrypoints.serving.metrics_folder import (
    FILE_SIZE,
    VARIABLE,
    reserve_room,
    shared_metrics,
)


def size_on_disk(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.iterdir())


def test_what_will_be_written_has_its_place_on_the_disk_already(tmp_path: Path) -> None:
    with shared_metrics(read_settings({"METRICS_DIR": str(tmp_path)})):
        [folder] = tmp_path.iterdir()
        reserve_room()
        assert size_on_disk(folder) >= 3 * FILE_SIZE
    assert list(tmp_path.iterdir()) == []
    assert VARIABLE not in os.environ


def test_without_room_a_process_counts_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As on a full disk, there is no room for a file of this size.
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE - 1, before[1]))
    try:
        reserve_room()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert VARIABLE not in os.environ
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_living_api_stays(tmp_path: Path) -> None:
    settings = read_settings({"METRICS_DIR": str(tmp_path)})
    with shared_metrics(settings):
        [living] = tmp_path.iterdir()
        with shared_metrics(settings):
            assert living.exists()
            assert len(list(tmp_path.iterdir())) == 2
