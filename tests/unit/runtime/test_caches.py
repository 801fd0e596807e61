"""mfsym.runtime.caches: compiled code is run, so it is loaded only from folders into which nobody else can put any."""

from __future__ import annotations

import errno
import fcntl
import os
import pickle
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mfsym.accelerate import caching, exact
from mfsym.errors import MfsymWarning
from mfsym.runtime import caches
from mfsym.runtime.caches import Places, distrust, find, make_private
from tests.sizes import compiled


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def folder(path: Path, bits: int = 0o700) -> Path:
    """A folder with exactly these permissions, whatever the umask."""
    path.mkdir(exist_ok=True)
    path.chmod(bits)
    return path


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """A home and a temporary folder of the test's own; returns the environment with more variables."""
    for name in ("MFSYM_CACHE_DIR", "XDG_CACHE_HOME", "TMPDIR", "TEMP", "TMP", caches.ANNOUNCED):
        monkeypatch.delenv(name, raising=False)
    home, temporary = folder(tmp_path / "home"), folder(tmp_path / "tmp", 0o1777)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(caches, "TEMPORARY", (str(temporary),))
    return lambda **more: {"HOME": str(home), **more}


@pytest.fixture
def no_home(tmp_path: Path, surroundings: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No home that exists; returns this user's folder in the temporary folder, which is not made yet."""
    monkeypatch.setenv("HOME", "/nonexistent")
    return tmp_path / "tmp" / f"mfsym-cache-{os.geteuid()}"


def test_the_first_place_that_can_be_written_is_used_and_made_for_this_user_alone(
    tmp_path: Path, surroundings: Callable[..., dict[str, str]]
) -> None:
    named, xdg = tmp_path / "named", tmp_path / "xdg"
    before = os.umask(0)
    try:
        assert find(surroundings(MFSYM_CACHE_DIR=str(named))) == Places(named / "kernels")
        assert find(surroundings(XDG_CACHE_HOME=str(xdg))) == Places(xdg / "mfsym" / "kernels")
        assert find(surroundings()) == Places(tmp_path / "home" / ".cache" / "mfsym" / "kernels")
    finally:
        os.umask(before)
    for path in (named, xdg, tmp_path / "home" / ".cache"):
        assert {mode(made) for made in [path, *path.rglob("*")]} == {0o700}


@pytest.mark.parametrize(
    ("bits", "words"),
    [(0o700, ""), (0o755, ""), (0o770, "others may write"), (0o707, "others may write"), (0o1777, "others may write")],
)
def test_a_folder_that_others_may_write_is_distrusted(tmp_path: Path, bits: int, words: str) -> None:
    assert words in distrust(folder(tmp_path / "kept", bits))
    assert bool(words) == bool(distrust(tmp_path / "kept"))


@pytest.mark.parametrize(
    ("bits", "trusted"), [(0o755, True), (0o1777, True), (0o777, False), (0o775, False), (0o757, False)]
)
def test_a_parent_that_lets_others_swap_the_folder_is_distrusted(tmp_path: Path, bits: int, trusted: bool) -> None:
    """The sticky bit of a temporary folder leaves to each what is theirs; also where nothing is made yet."""
    parent = folder(tmp_path / "parent", bits)
    kept = folder(parent / "kept")
    assert (distrust(kept) == "") == trusted
    assert (distrust(parent / "new" / "kept") == "") == trusted
    if not trusted:
        assert distrust(kept) == f"others may write {parent}"


def test_a_folder_of_another_user_is_distrusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen with the eyes of a user who is neither the owner nor root; root itself distrusts what it does not own."""
    kept = folder(tmp_path / "kept")
    assert distrust(kept) == ""
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert "belongs to another user" in distrust(kept)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@needs_root
def test_what_was_given_away_is_distrusted(tmp_path: Path) -> None:
    kept, parent, link = folder(tmp_path / "kept"), folder(tmp_path / "parent"), tmp_path / "link"
    below = folder(parent / "below")
    link.symlink_to(below)
    assert {distrust(path) for path in (kept, below, link)} == {""}
    os.chown(kept, 54321, 54321)
    assert distrust(kept) == f"{kept} belongs to another user (54321)"
    os.chown(link, 54321, 54321, follow_symlinks=False)
    assert distrust(link) == f"{link} belongs to another user (54321)"
    os.chown(parent, 54321, 54321)
    assert distrust(below) == f"{parent} belongs to another user (54321)"


def test_links_are_followed_and_what_they_lead_through_is_looked_at(tmp_path: Path) -> None:
    target, shared = folder(tmp_path / "target"), folder(tmp_path / "shared", 0o777)
    folder(target / "kept"), folder(shared / "kept")
    (tmp_path / "absolute").symlink_to(target / "kept")
    (tmp_path / "relative").symlink_to(Path("target", "..", "target", "kept"))
    (tmp_path / "up").symlink_to("..")
    (tmp_path / "through").symlink_to(Path("shared", "..", "target", "kept"))
    (tmp_path / "into").symlink_to(shared / "kept")
    for name in ("absolute", "relative", "up"):
        assert distrust(tmp_path / name) == "", name
    for name in ("through", "into"):
        assert distrust(tmp_path / name) == f"others may write {shared}", name


def test_a_ring_of_links_and_a_file_are_no_folders(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        distrust(tmp_path / "a")
    (tmp_path / "file").write_text("")
    assert distrust(tmp_path / "file") == f"{tmp_path / 'file'} is not a folder"


def test_a_named_folder_that_cannot_be_trusted_is_answered_by_one_line_and_the_next_place(
    tmp_path: Path, surroundings: Callable[..., dict[str, str]]
) -> None:
    named = folder(tmp_path / "named", 0o777)
    found = find(surroundings(MFSYM_CACHE_DIR=str(named)))
    home = tmp_path / "home" / ".cache" / "mfsym" / "kernels"
    assert found.kept == home
    assert found.note == (
        f"MFSYM_CACHE_DIR={named} is not used for compiled code, because it must be writable by you alone: "
        f"others may write {named}; {home} is used instead"
    )
    assert list(named.iterdir()) == []
    (tmp_path / "file").write_text("")
    found = find(surroundings(MFSYM_CACHE_DIR=str(tmp_path / "file" / "below")))
    assert (found.kept, "file is not a folder" in found.note) == (home, True)
    named.chmod(0o700)
    assert find(surroundings(MFSYM_CACHE_DIR=str(named))) == Places(named / "kernels")


def test_a_home_that_others_may_write_is_said_and_one_that_is_absent_is_not(tmp_path: Path, no_home: Path) -> None:
    assert find({}) == Places(no_home / "kernels")
    shared = folder(tmp_path / "shared", 0o777)
    found = find({"XDG_CACHE_HOME": str(shared)})
    assert found.kept == no_home / "kernels"
    assert found.note.startswith(
        f"{shared / 'mfsym'} is not used for compiled code, because it must be writable by you alone: "
    )
    assert f"others may write {shared}" in found.note


def test_the_temporary_folder_is_per_user_and_closed_to_others(tmp_path: Path, no_home: Path) -> None:
    assert find({}) == Places(no_home / "kernels")
    assert mode(no_home) == 0o700
    assert [path.name for path in no_home.parent.iterdir()] == [f"mfsym-cache-{os.geteuid()}"]


@pytest.mark.parametrize("squatted", ["open", "readable", "link", "file", "dangling"])
def test_a_temporary_folder_that_is_not_as_it_was_made_is_never_used(
    tmp_path: Path, no_home: Path, monkeypatch: pytest.MonkeyPatch, squatted: str
) -> None:
    elsewhere, spare = folder(tmp_path / "elsewhere"), folder(tmp_path / "spare", 0o1777)
    if squatted in ("open", "readable"):
        folder(no_home, 0o777 if squatted == "open" else 0o755)
    elif squatted == "file":
        no_home.write_text("")
    else:
        no_home.symlink_to(elsewhere if squatted == "link" else tmp_path / "nothing")
    found = find({})
    assert found.kept is None
    assert str(no_home) in found.note
    monkeypatch.setattr(caches, "TEMPORARY", (str(no_home.parent), str(spare)))
    assert find({}) == Places(spare / no_home.name / "kernels")


def test_without_any_place_code_is_compiled_anew_and_never_kept_in_the_working_directory(
    tmp_path: Path, no_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = folder(tmp_path / "here")
    monkeypatch.chdir(here)
    monkeypatch.setattr(caches, "TEMPORARY", ("/nonexistent",))
    found = find({"TMPDIR": ".", "XDG_CACHE_HOME": "cache"})
    assert found == Places(None, note=found.note)
    assert found.note.startswith("compiled code cannot be saved (there is no home and no temporary folder): ")
    assert "\n" not in found.note
    assert found.describe().startswith("none")
    assert find({"HOME": ""}).kept is None
    assert list(here.iterdir()) == []
    assert find({"MFSYM_CACHE_DIR": "mine"}) == Places(here / "mine" / "kernels")


def test_a_working_directory_that_is_gone_is_no_place(
    tmp_path: Path, no_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = folder(tmp_path / "gone")
    monkeypatch.chdir(gone)
    gone.rmdir()
    found = find({"MFSYM_CACHE_DIR": "mine"})
    assert found.kept == no_home / "kernels"
    assert "mine is in a working directory that no longer exists" in found.note


def test_the_null_device_asks_for_no_cache_and_no_words(surroundings: Callable[..., dict[str, str]]) -> None:
    assert find(surroundings(MFSYM_CACHE_DIR="/dev/null")) == Places(None)


def test_a_place_that_cannot_be_written_is_read_first(
    tmp_path: Path, surroundings: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "named"
    make_private(named / "kernels")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, bits: named not in Path(path).parents and access(path, bits))
    home = tmp_path / "home" / ".cache" / "mfsym" / "kernels"
    assert find(surroundings(MFSYM_CACHE_DIR=str(named))) == Places(home, (named / "kernels",))
    monkeypatch.setattr(os, "access", lambda path, bits: False)
    found = find(surroundings(MFSYM_CACHE_DIR=str(named)))
    assert (found.kept, found.note) == (None, "")
    assert found.read[0] == named / "kernels"
    assert found.nowhere.startswith(f"compiled code that is not in {named / 'kernels'}")
    assert found.describe() == str(named / "kernels")


def test_each_thing_is_said_once_and_not_again_by_workers(
    tmp_path: Path, no_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caches, "TEMPORARY", ())
    caches.places.cache_clear()
    try:
        with pytest.warns(MfsymWarning, match="cannot be saved") as said:
            told = [caches.announced() for _ in range(2)]
        assert (len(said), told) == (1, 2 * [{caches.ANNOUNCED: str(os.getpid())}])
        caches.places.cache_clear()
        monkeypatch.setenv(caches.ANNOUNCED, "1")
        assert caches.places() == Places(None)
    finally:
        caches.places.cache_clear()
        caches.say.cache_clear()


def _is_locked(path: Path) -> bool:
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_one_process_at_a_time_compiles_where_there_are_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "a" / "kernels"
    with caches.alone(kept):
        assert _is_locked(kept / ".lock")
    assert not _is_locked(kept / ".lock")
    assert mode(kept) == 0o700

    def no_locks(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    for place in (kept, None, Path("/proc/kernels")):
        with caches.alone(place):
            pass


def test_no_lock_is_made_where_others_may_write(tmp_path: Path) -> None:
    shared = folder(tmp_path / "shared", 0o777)
    with caches.alone(shared):
        assert list(shared.iterdir()) == []


A = np.array([1.0, 2.0, 4.0])


def _sum(a: np.ndarray) -> float:
    total = 0.0
    for value in a:
        total += value
    return total


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache for the kernels that a test compiles."""
    monkeypatch.setattr(caches, "places", lambda: Places(tmp_path / "kernels"))
    yield tmp_path / "kernels"
    caches.say.cache_clear()


def _outcome() -> str:
    """Compile, or load, a kernel as a new process would: whether it was loaded."""
    kernel = exact(_sum)
    assert kernel(A) == 7.0
    return "loaded" if sum(kernel.stats.cache_hits.values()) else "compiled"


def _leaf(kept: Path) -> Path:
    (found,) = (path for path in kept.iterdir() if path.is_dir())
    return found


@compiled
def test_kernels_are_kept_closed_to_others_and_loaded_again(kept: Path) -> None:
    before = os.umask(0)
    try:
        assert [_outcome(), _outcome()] == ["compiled", "loaded"]
    finally:
        os.umask(before)
    assert mode(_leaf(kept)) == 0o700
    assert exact(_sum).stats.cache_path.startswith(str(_leaf(kept)))


class _Planted:
    """What a pickle of this class does where it is loaded: it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, int, bool]]:
        return os.makedirs, (str(self.mark), 0o700, True)


@compiled
def test_code_that_others_could_have_put_there_is_not_run(kept: Path, tmp_path: Path) -> None:
    """The same file is loaded, and runs, where only this user could have written it: the guard is what stops it."""
    assert _outcome() == "compiled"
    leaf, mark = _leaf(kept), tmp_path / "mark"
    (index,) = leaf.rglob("*.nbi")
    index.write_bytes(pickle.dumps(_Planted(mark)))
    leaf.chmod(0o777)
    with pytest.warns(MfsymWarning, match=f"others may write {leaf}"):
        assert _outcome() == "compiled"
    assert not mark.exists()
    leaf.chmod(0o700)
    kept.chmod(0o777)
    with pytest.warns(MfsymWarning, match=f"others may write {kept}"):
        assert _outcome() == "compiled"
    assert not mark.exists()
    kept.chmod(0o700)
    assert _outcome() == "compiled"
    assert mark.exists()


@compiled
def test_a_cache_that_was_removed_while_running_is_made_again(kept: Path) -> None:
    early = exact(_sum)
    assert _outcome() == "compiled"
    leaf = _leaf(kept)
    kept.rename(kept.with_name("gone"))
    assert early(A) == 7.0
    assert _leaf(kept).name == leaf.name
    assert mode(kept) == 0o700
    assert _outcome() == "loaded"


@compiled
@pytest.mark.parametrize("content", [b"", b"\0" * 64], ids=["cut", "zeroed"])
def test_a_damaged_cache_is_said_and_written_anew(kept: Path, content: bytes) -> None:
    """As a loss of power leaves files: index and code, one after the other."""
    for kind in ("*.nbi", "*.nbc"):
        _outcome()
        for path in kept.rglob(kind):
            path.write_bytes(content)
        with pytest.warns(MfsymWarning, match="compiled anew"):
            assert _outcome() == "compiled"
        caches.say.cache_clear()
        assert _outcome() == "loaded"


@compiled
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS], ids=errno.errorcode.get)
def test_a_cache_that_cannot_be_written_costs_one_line(kept: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(caching._caching.IndexDataCacheFile, "_save_data", refuse)
    with pytest.warns(MfsymWarning, match=os.strerror(code)) as said:
        assert [_outcome(), _outcome()] == ["compiled", "compiled"]
    assert len(said) == 1


@compiled
def test_without_a_place_kernels_compile_with_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "places", lambda: Places(None, note="nowhere at all"))
    with pytest.warns(MfsymWarning, match="nowhere at all") as said:
        assert [_outcome(), _outcome()] == ["compiled", "compiled"]
    assert len(said) == 1
    assert exact(_sum).stats.cache_path is None
    caches.say.cache_clear()


@compiled
def test_a_cache_that_is_read_only_is_read_and_only_what_it_lacks_is_said(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _outcome() == "compiled"
    monkeypatch.setattr(caches, "places", lambda: Places(None, (kept,), nowhere="kept nowhere"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _outcome() == "loaded"
    kept.rename(kept.with_name("gone"))
    with pytest.warns(MfsymWarning, match="kept nowhere"):
        assert _outcome() == "compiled"


AT_ONCE = """
import numpy as np
from mfsym.kernels.noise import draw_normals, fill_normals
draw_normals(np.zeros(2, np.uint32), 0, 0, np.empty((2, 64)))
print(sum(fill_normals.stats.cache_misses.values()))
"""


@compiled
def test_of_two_processes_that_start_together_one_compiles(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), caches.NAMED: str(tmp_path)}
    started = [
        subprocess.Popen([sys.executable, "-c", AT_ONCE], env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert sorted(process.communicate()[0].strip() for process in started) == ["0", "1"]
    assert [process.returncode for process in started] == [0, 0]


def test_the_first_worker_of_a_process_is_told_from_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(caches.ANNOUNCED, raising=False)
    with caches.alone(tmp_path):
        assert not caches.is_worker()
        assert not caches.is_first_worker(tmp_path)
        monkeypatch.setenv(caches.ANNOUNCED, "7")
        assert [caches.is_first_worker(tmp_path) for _ in range(2)] == [True, False]
        monkeypatch.setenv(caches.ANNOUNCED, "8")
        assert caches.is_first_worker(tmp_path)
        assert not caches.is_first_worker(tmp_path / "gone")
