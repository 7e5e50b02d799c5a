import subprocess
import sys
import threading

import pytest

from retrieval.errors import BadRepositoryName, CommitMissing, FileMissing, NotText, RepositoryUnavailable
from retrieval.history import ChangeLog
from retrieval.store import MAX_BLOB_BYTES, RepoStore


@pytest.mark.parametrize("folder", ["owner__name", "owner__name.git"])
@pytest.mark.parametrize("kind", ["checkout", "bare", "link"])
def test_a_mirror_may_be_a_checkout_a_bare_repository_or_a_link(workshop, tmp_path, folder, kind):
    work = workshop("work")
    sha = work.commit({"a.py": "x = 1\n"})
    mirrors = tmp_path / "mirrors"
    mirrors.mkdir()
    if kind == "checkout":
        work.folder.rename(mirrors / folder)
    elif kind == "bare":
        work.git("clone", "-q", "--bare", ".", str(mirrors / folder))
    else:
        (mirrors / folder).symlink_to(work.folder)
    repository = RepoStore([tmp_path / "none", mirrors], tmp_path / "cache").open("owner/name")
    assert repository.text(sha, "a.py") == "x = 1\n"


def test_a_linked_worktree_and_a_folder_with_a_git_file_open_too(workshop, tmp_path):
    work = workshop()
    sha = work.commit({"a.py": "x = 1\n"})
    work.git("worktree", "add", "-q", str(tmp_path / "second"))
    assert RepoStore.local(tmp_path / "second").text(sha, "a.py") == "x = 1\n"


def test_what_is_not_mirrored_is_cloned_once_and_then_found_in_the_cache(workshop, tmp_path):
    work = workshop("server/owner/name")
    sha = work.commit({"a.py": "x = 1\n"})
    told = []
    store = RepoStore([], tmp_path / "cache", f"file://{tmp_path}/server", lambda *step: told.append(step))
    assert store.open("owner/name").resolve("HEAD") == sha
    assert told
    (tmp_path / "server").rename(tmp_path / "gone")
    assert store.open("owner/name").text(sha, "a.py") == "x = 1\n"


def test_a_clone_that_was_killed_half_way_is_made_again(workshop, tmp_path):
    sha = workshop("server/owner/name").commit({"a.py": "x = 1\n"})
    (tmp_path / "cache/owner__name.partial/objects").mkdir(parents=True)
    store = RepoStore([], tmp_path / "cache", f"file://{tmp_path}/server")
    assert store.open("owner/name").resolve(sha) == sha


def test_processes_that_want_the_same_clone_make_one(workshop, tmp_path):
    sha = workshop("server/owner/name").commit({"a.py": "x = 1\n"})
    code = (
        "import sys; from pathlib import Path; from retrieval.store import RepoStore\n"
        "print(RepoStore([], Path(sys.argv[1]), sys.argv[2]).open('owner/name').resolve('HEAD'))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cache"), f"file://{tmp_path}/server"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[0].strip() for process in running] == [sha] * 3
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [
        "owner__name.git",
        "owner__name.lock",
    ]


def test_an_unavailable_repository_names_every_place_tried(tmp_path):
    store = RepoStore([tmp_path / "mirrors"], tmp_path / "cache", f"file://{tmp_path}/server")
    with pytest.raises(RepositoryUnavailable) as error:
        store.open("owner/name")
    message = str(error.value)
    assert "\n" not in message
    for place in ("mirrors/owner__name", "cache/owner__name", f"file://{tmp_path}/server/owner/name"):
        assert place in message


@pytest.mark.parametrize("base", ["ext::sh -c touch% made", "ssh://host", "git://host", "/a/path"])
def test_only_https_and_file_addresses_are_cloned_from(tmp_path, base):
    with pytest.raises(RepositoryUnavailable, match="use https"):
        RepoStore([], tmp_path, base).open("owner/name")


@pytest.mark.parametrize(
    "name", ["", "name", "a/b/c", "../etc", "a/..", "-o/x", "o/-x", "a/b\n", "a b/c", "a/.git"]
)
def test_a_name_that_is_not_owner_and_name_is_refused(tmp_path, name):
    with pytest.raises(BadRepositoryName, match="owner/name"):
        RepoStore([tmp_path], tmp_path).open(name)


def test_a_folder_without_a_repository_is_refused(tmp_path, workshop):
    workshop().commit({"sub/a.py": ""})
    for folder in (tmp_path, tmp_path / "nothing", tmp_path / "project/sub"):
        with pytest.raises(RepositoryUnavailable, match="git repository"):
            RepoStore.local(folder)


def test_commits_resolve_from_hash_prefix_branch_tag_and_head(workshop):
    work = workshop()
    sha = work.commit({"a.py": ""})
    work.git("tag", "-a", "v1.0", "-m", "one")
    repository = work.repository()
    assert {repository.resolve(name) for name in (sha, sha[:10], "main", "v1.0", "HEAD")} == {sha}


@pytest.mark.parametrize(
    "commit", ["f" * 40, "no-such", "", "--all", "HEAD..main", ":/change", "HEAD:a.py", "a\nb"]
)
def test_an_unknown_commit_names_the_commit_and_the_repository(workshop, commit):
    work = workshop()
    work.commit({"a.py": ""})
    with pytest.raises(CommitMissing) as error:
        work.repository().resolve(commit)
    assert repr(commit) in str(error.value)
    assert "project" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_repository_without_commits_has_no_head(workshop):
    with pytest.raises(CommitMissing):
        workshop().repository().resolve("HEAD")


def test_files_are_regular_files_only(workshop, tmp_path):
    work = workshop()
    (work.folder / "link.py").symlink_to("/etc/passwd")
    sha = work.commit(
        {"a.py": "x", "bin/run": "#!", "new\nline.py": "", b"\xff.py".decode(errors="surrogateescape"): ""}
    )
    work.git("update-index", "--add", "--cacheinfo", f"160000,{sha},module")
    sha = work.commit({})
    assert [(f.path, f.size, f.mode) for f in work.repository().files(sha)] == [
        ("a.py", 1, "100644"),
        ("bin/run", 2, "100644"),
    ]
    with pytest.raises(FileMissing, match=r"link\.py"):
        work.repository().text(sha, "link.py")


@pytest.mark.parametrize("path", ["missing.py", "../a.py", "/etc/passwd", "-a.py", "sub", ":(glob)**", ""])
def test_a_path_that_is_no_file_of_the_commit_is_missing(workshop, path):
    work = workshop()
    sha = work.commit({"a.py": "x", "sub/b.py": "y"})
    with pytest.raises(FileMissing):
        work.repository().text(sha, path)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("x = 'é'\r\n".encode(), "utf-8"),
        ("# coding: latin-1\nx = 'é'\n".encode("latin-1"), "latin-1"),
        (b"\xef\xbb\xbfx = 1\n", "utf-8"),
        (b"# \xe9 coding: latin-1\rx = 1\r", "latin-1"),
        (b"", "utf-8"),
    ],
)
def test_a_python_file_is_read_in_its_declared_encoding_and_encodes_back(workshop, data, encoding):
    work = workshop()
    sha = work.commit({"a.py": data})
    assert work.repository().text(sha, "a.py").encode(encoding) == data
    assert work.repository().data(sha, "a.py") == data


@pytest.mark.parametrize(
    "data",
    [
        b"x = '\xe9'\n",
        b"# coding: no-such\n",
        b"# coding: hex\n00\n",
        b"# coding: utf-7\nx = '+AOk-'\n",
        b"\xef\xbb\xbf# coding: latin-1\n",
    ],
)
def test_a_file_that_is_not_in_its_encoding_says_so(workshop, data):
    work = workshop()
    sha = work.commit({"a.py": data})
    with pytest.raises(NotText, match=r"a\.py"):
        work.repository().text(sha, "a.py")


def test_a_blob_over_the_limit_is_left_out_and_says_so_when_asked_for(workshop):
    work = workshop()
    sha = work.commit({"big.py": b"#" * (MAX_BLOB_BYTES + 1), "small.py": b"#"})
    repository = work.repository()
    assert list(repository.read_blobs(repository.files(sha)).values()) == [b"#"]
    with pytest.raises(NotText, match="limit"):
        repository.text(sha, "big.py")


def test_programs_named_in_a_repository_are_never_started(workshop, tmp_path):
    work = workshop()
    unsigned = work.git("cat-file", "commit", work.commit({"a.py": "x"}))
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n eA==\n -----END PGP SIGNATURE-----\n\n"
    (tmp_path / "signed").write_text(unsigned.replace("\n\n", "\n" + signature, 1) + "\n")
    sha = work.git("hash-object", "-t", "commit", "-w", str(tmp_path / "signed"))
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "gpg.program", "diff.external", "core.sshCommand"):
        work.git("config", key, str(program))
    work.git("config", "log.showSignature", "true")
    (work.folder / ".git/hooks/post-checkout").symlink_to(program)
    repository = work.repository()
    assert repository.text(sha, "a.py") == "x"
    assert ChangeLog(repository).before(sha)
    assert not (tmp_path / "started").exists()


def test_git_variables_of_the_caller_do_not_lead_elsewhere(workshop, monkeypatch):
    one, other = workshop("one"), workshop("other")
    sha = one.commit({"a.py": "one"})
    other.commit({"a.py": "other"})
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.folder / ".git/objects"))
    assert one.repository().text(sha, "a.py") == "one"


def test_a_replaced_object_is_read_as_it_was_committed(workshop):
    work = workshop()
    sha = work.commit({"a.py": "before"})
    later = work.commit({"a.py": "after"})
    work.git("replace", sha, later)
    assert work.repository().text(sha, "a.py") == "before"


def test_threads_may_share_a_repository(workshop):
    work = workshop()
    shas = [work.commit({"a.py": f"x = {i}\n"}) for i in range(6)]
    repository, read = work.repository(), {}

    def reader(i: int) -> None:
        read[i] = [repository.text(sha, "a.py") for sha in shas]

    threads = [threading.Thread(target=reader, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(texts == [f"x = {i}\n" for i in range(6)] for texts in read.values())
    assert len(read) == 4


def test_importing_the_room_loads_nothing_heavy():
    code = "import sys, retrieval; print([m for m in ('git', 'numpy', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_of_a_repository_a_folder_alone_can_be_looked_at(workshop):
    work = workshop()
    work.commit({"one/src/a.py": "x = 1\n", "one-more/b.py": "", "b.py": ""})
    part = RepoStore.local(work.folder, "one")
    assert [file.path for file in part.files("HEAD")] == ["one/src/a.py"]
    assert part.checkout == work.folder.resolve()
