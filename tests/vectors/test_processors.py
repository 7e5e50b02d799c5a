"""What the machine gives this process, from files as Linux writes them."""

import pytest

from vectors.processors import Use, affinity, processors, used


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Write a control group's files, on a machine of eight processors."""
    monkeypatch.setattr("vectors.processors.affinity", lambda: set(range(8)))

    def write(membership, **files):
        (tmp_path / "membership").write_text(membership)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return processors(tmp_path / "cgroup", tmp_path / "membership")

    return write


def test_without_a_limit_it_is_the_affinity(groups):
    assert groups("0::/job\n", **{"job/cpu.max": "max 100000\n"}) == 8


def test_a_quota_of_any_group_above_counts(groups):
    files = {"all/cpu.max": "300000 100000\n", "all/job/cpu.max": "max 100000\n"}
    assert groups("0::/all/job\n", **files) == 3


def test_a_part_of_a_processor_is_one(groups):
    assert groups("0::/\n", **{"cpu.max": "50000 100000\n"}) == 1


def test_the_first_version_of_control_groups_has_two_files(groups):
    quota = {"cpu,cpuacct/job/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n"}
    assert groups("4:memory:/job\n3:cpu,cpuacct:/job\n", **quota) == 2
    none = {"cpu,cpuacct/job/cpu.cfs_quota_us": "-1\n"}
    assert groups("3:cpu,cpuacct:/job\n", **none) == 8


def test_a_machine_without_control_groups_gives_what_it_has(tmp_path):
    assert processors(tmp_path, tmp_path / "none") == len(affinity())


def test_what_others_use_is_everything_but_our_own():
    before, after = Use(everyone=100.0, own=10.0), Use(everyone=104.0, own=11.0)
    assert after.others_since(before, seconds=2.0) == 1.5


def test_work_of_this_process_is_found_in_both_sums():
    before = used()
    if before is None:
        pytest.skip("no /proc/stat here")
    while used().own < before.own + 0.3:
        sum(range(10_000))
    assert used().everyone - before.everyone >= 0.2  # the kernel's clocks tick apart
