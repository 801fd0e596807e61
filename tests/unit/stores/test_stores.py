"""Stores: whole files or none, every bit checked, nothing unsafe loaded."""

from __future__ import annotations

import errno
import io
import json
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import mfsym as mf
from mfsym.errors import MfsymError, StoreError
from mfsym.stores import content_digest, encode, folder_of, load, open_result, publish, save
from mfsym.stores.archives import arrays_digest, decode, parse_npy
from mfsym.stores.clouds import load_cloud
from mfsym.stores.datasets import encode_attributes
from mfsym.stores.folders import adopt_config, discard, load_cell, locked, read_config, read_failure, record_failure
from mfsym.stores.publishing import TEMPORARY_SUFFIX, make_folder, require_writable, seal, sweep_temporaries, unseal
from mfsym.streams import bits, normals, stream_key

KEY = stream_key(7, "data")


def _arrays() -> dict[str, np.ndarray]:
    return {
        "status": np.array(["ok", "diverged"]),
        "risk": np.array([0.5, np.nan]),
        "particles": normals(KEY, 0, 6, 4).reshape(2, 3, 4).astype(np.float32),
        "seconds": np.array(1.5),
    }


def _dataset() -> xr.Dataset:
    return xr.Dataset(
        {
            "risk": (("teacher", "n"), normals(KEY, 0, 2, 3)),
            "status": (("teacher", "n"), np.array([["ok", "ok", "diverged"], ["ok", "failed", "missing"]])),
            "seconds": ("n", np.ones(3)),
        },
        coords={"teacher": ["wi", "si"], "n": [5, 10, 50]},
        attrs={"config": "{}", "seed": 3, "flag": True, "nothing": None, "table": {"a": [1]}},
    )


def test_an_archive_reads_back_and_numpy_reads_it_too(tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    publish(path, encode(_arrays(), {"identity": "x"}))
    archive = load(path)
    assert archive.meta["identity"] == "x"
    for name, values in _arrays().items():
        np.testing.assert_array_equal(archive.arrays[name], values)
        assert archive.arrays[name].dtype == values.dtype
    np.testing.assert_array_equal(np.load(path)["risk"], _arrays()["risk"])


def test_the_digest_depends_on_values_and_not_on_timings_or_layout() -> None:
    arrays = _arrays()
    digest = arrays_digest(arrays)
    assert arrays_digest(arrays | {"seconds": np.array(99.0)}) == digest
    assert arrays_digest(dict(reversed(arrays.items()))) == digest
    assert arrays_digest(arrays | {"particles": np.asfortranarray(arrays["particles"])}) == digest
    assert arrays_digest(arrays | {"status": arrays["status"].astype("<U20")}) == digest
    assert arrays_digest(arrays | {"risk": np.array([0.5, 0.0])}) != digest
    assert arrays_digest(arrays | {"particles": arrays["particles"].astype(float)}) != digest


def test_no_single_bit_of_an_archive_can_change_unseen() -> None:
    data = encode(_arrays(), {"identity": "x"})
    for word in bits(stream_key(1, "bootstrap"), 0, 60, 1).ravel():
        damaged = bytearray(data)
        damaged[int(word) // 8 % len(data)] ^= 1 << (int(word) % 8)
        with pytest.raises(StoreError, match="checksum"):
            decode(bytes(damaged), Path("cell"))
    for length in (0, 10, len(data) // 2, len(data) - 1):
        with pytest.raises(StoreError):
            decode(data[:length], Path("cell"))


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = b"0" * 64
    return seal(buffer.getvalue()[:-64])


def _npy(array: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"../x.npy": _npy(np.zeros(2)), "meta.json": b"{}"}, "names must match"),
        ({"x.npy": _npy(np.array([{}], dtype=object), allow_pickle=True), "meta.json": b"{}"}, "plain numbers"),
        ({"x.npy": _npy(np.zeros(2))[:-3], "meta.json": b"{}"}, "bytes declared"),
        ({"x.npy": b"hello", "meta.json": b"{}"}, "not a .npy"),
        ({"x.npy": _npy(np.zeros(2))}, "meta.json"),
        ({"x.npy": _npy(np.zeros(2)), "meta.json": b"{}"}, "digest"),
        ({"x.npy": _npy(np.zeros(2)), "meta.json": b"[]"}, "digest"),
        ({f"x{k}.npy": _npy(np.zeros(1)) for k in range(300)}, "members"),
    ],
)
def test_archives_that_are_sealed_but_not_ours_are_refused(members: dict[str, bytes], words: str) -> None:
    with pytest.raises(StoreError, match=words):
        decode(_zip(members), Path("cell"))


def test_compressed_members_are_refused() -> None:
    with pytest.raises(StoreError, match="uncompressed"):
        decode(_zip({"x.npy": b"0" * 10_000}, zipfile.ZIP_DEFLATED), Path("cell"))


@pytest.mark.parametrize("header", ["(9**9,1)", "(9, 9), ", "('a',), ", "[[[[[[, ", "-1,     "])
def test_a_header_that_declares_more_than_is_there_allocates_nothing(header: str) -> None:
    content = _npy(np.zeros((1, 1))).replace(b"(1, 1), ", header.encode())
    with pytest.raises(ValueError, match=r"header|declared|shape"):
        parse_npy(content)


def test_publishing_replaces_the_file_whole_and_leaves_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "a"
    publish(path, b"one")
    publish(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace", "close"])
@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ENOSPC])
def test_a_refused_write_names_path_and_reason_and_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def refuse(*args: object, **options: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(f"mfsym.stores.publishing.os.{call}", refuse)
        with pytest.raises(StoreError, match=os.strerror(code)) as caught:
            publish(path, b"new")
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    sweep_temporaries(tmp_path)
    assert os.listdir(tmp_path) == ["a"]


def test_a_write_that_does_not_read_back_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda self: b"zeros")
    with pytest.raises(StoreError, match="data read back differ"):
        publish(tmp_path / "a", b"new")
    assert not (tmp_path / "a").exists()


def test_a_seal_guards_every_byte() -> None:
    data = seal(b"hello")
    assert unseal(data, Path("x")) == b"hello"
    with pytest.raises(StoreError, match="checksum"):
        unseal(b"j" + data[1:], Path("x"))


def test_folders_that_cannot_be_made_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="file/a: cannot be made"):
        make_folder(tmp_path / "file" / "a")


def test_a_dataset_reads_back_with_its_values_attributes_and_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    save(_dataset(), path)
    again = open_result(path)
    xr.testing.assert_equal(again, _dataset())
    assert again["risk"].attrs["long_name"]
    assert (again.attrs["flag"], again.attrs["nothing"], again.attrs["table"]) == ("true", "null", '{"a": [1]}')
    assert again.attrs["content_digest"] == content_digest(_dataset())
    assert os.listdir(tmp_path) == ["a.nc"]
    with h5py.File(path) as file:
        assert all(file[name].fletcher32 for name in ("risk", "status", "seconds"))


def test_a_result_of_python_is_one_of_the_commands(tmp_path: Path, mfsym) -> None:
    run, path = mf.simulate("wi", "fa", n=8, horizon=0.5, snapshots=3), tmp_path / "new" / "run.nc"
    mf.save_result(run, path)
    again = mf.open_result(str(path))
    assert content_digest(again) == content_digest(run)
    assert again.attrs["config"] == run.attrs["config"]
    found = mfsym("distance", str(path), "--to", "si", "--format", "json")
    assert json.loads(found.stdout)["rmd2"] == pytest.approx(float(run.rmd2_si[-1]))
    mf.save_result(run.isel(time=[-1])[["risk", "status"]], tmp_path / "part.nc")
    assert mf.open_result(tmp_path / "part.nc").risk.values == run.risk.values[-1:]
    for given, name, words in (
        (run, "run.txt", "must be a file that ends in .nc"),
        (run.risk, "a.nc", "must be an xarray Dataset, got DataArray"),
        (run.assign(own=1.0), "a.nc", "variable 'own' is not in the data dictionary"),
    ):
        with pytest.raises(MfsymError, match=words):
            mf.save_result(given, tmp_path / name)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["new", "part.nc"]


def test_other_programs_read_the_dataset(tmp_path: Path) -> None:
    save(_dataset(), tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as plain:
        np.testing.assert_array_equal(plain["risk"].values, _dataset()["risk"].values)
        assert list(plain["teacher"].values) == ["wi", "si"]


def test_no_single_bit_of_a_dataset_can_change_unseen(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    save(_dataset(), path)
    data = path.read_bytes()
    for word in bits(stream_key(2, "bootstrap"), 0, 40, 1).ravel():
        damaged = bytearray(data)
        damaged[int(word) // 8 % len(data)] ^= 1 << (int(word) % 8)
        path.write_bytes(bytes(damaged))
        with pytest.raises(StoreError):
            open_result(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda file: file.__setitem__("risk", h5py.ExternalLink("/etc/passwd", "/x")),
        lambda file: file.__setitem__("risk", h5py.SoftLink("/n")),
        lambda file: file.create_dataset("risk", shape=(8,), dtype="u1", external=[("/etc/passwd", 0, 8)]),
        lambda file: file.create_dataset("risk", shape=(10**12,), dtype="f8", chunks=(1000,)),
        lambda file: file.create_dataset("risk", data=["a", "b"], dtype=h5py.string_dtype()),
        lambda file: file.create_group("risk"),
        lambda file: file.create_dataset("a b", data=np.zeros(2)),
        lambda file: file.create_virtual_dataset("risk", h5py.VirtualLayout(shape=(2,), dtype="f8")),
    ],
)
def test_unsafe_hdf5_is_refused_even_when_sealed(tmp_path: Path, make: object) -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["n"] = np.arange(3)
        make(file)  # type: ignore[operator]
    path = tmp_path / "a.nc"
    path.write_bytes(seal(buffer.getvalue()))
    with pytest.raises((StoreError, MfsymError), match=r"a\.nc"):
        open_result(path)


def test_a_sealed_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_bytes(seal(b"not hdf5"))
    with pytest.raises(StoreError, match="not a result file"):
        open_result(path)
    with pytest.raises(StoreError, match="cannot be read"):
        open_result(tmp_path / "absent.nc")


def test_attributes_are_texts_and_numbers() -> None:
    assert encode_attributes({"a": True, "b": 1, "c": 1.5, "d": "x", "e": [1]}) == {
        "a": "true",
        "b": 1,
        "c": 1.5,
        "d": "x",
        "e": "[1]",
    }


def test_a_folder_keeps_its_files_together(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "runs" / "a.nc")
    assert folder.root == tmp_path / "runs" / "a.cells"
    assert folder_of(tmp_path / "out").result == tmp_path / "out" / "results.nc"
    (tmp_path / "file").write_text("x")
    (tmp_path / "dir.nc").mkdir()
    for name in ("file", "dir.nc"):
        with pytest.raises(MfsymError):
            folder_of(tmp_path / name)


def test_a_configuration_may_grow_but_not_change(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a.nc")
    folder.make()
    tables = {"sweep": {"n": [5, 10], "replicates": 1, "scheme": ["fa"]}, "training": {"alpha": 5.0}}
    assert read_config(folder) is None
    adopt_config(folder, tables)
    grown = {"sweep": {"n": [5, 7, 10], "replicates": 2, "scheme": ["fa"]}, "training": {"alpha": 5.0}}
    adopt_config(folder, grown)
    assert read_config(folder) == grown
    changes = [("training", "alpha", 6.0), ("training", "alpha", [6.0, 7.0]), ("sweep", "n", [6])]
    for table, key, value in (*changes, ("sweep", "scheme", ["fa", "da"]), ("sweep", "scheme", ["da"])):
        other = json.loads(json.dumps(grown))
        other[table][key] = value
        with pytest.raises(StoreError, match=rf"-{table}\.{key} = .*\+{table}\.{key} = .*overwrite=True"):
            adopt_config(folder, other, ["unknown"])
        assert read_config(folder) == grown
    publish(folder.cell("known"), encode(_arrays(), {"identity": "known"}))
    adopt_config(folder, other, ["unknown", "known"])
    assert read_config(folder) == other
    discard(folder)
    assert read_config(folder) is None


@pytest.mark.parametrize(
    ("key", "value"), [("n", [10]), ("n", [10, 5]), ("n", [3, 10]), ("alpha", [5.0, 6.0]), ("replicates", 1)]
)
def test_grids_that_share_cells_share_a_folder(tmp_path: Path, key: str, value: object) -> None:
    folder = folder_of(tmp_path / "a.nc")
    folder.make()
    tables = {"sweep": {"n": [5, 10], "replicates": 2}, "training": {"alpha": 5.0}}
    adopt_config(folder, tables)
    other = {table: content | ({key: value} if key in content else {}) for table, content in tables.items()}
    adopt_config(folder, other)
    assert read_config(folder) == other


def test_whether_a_file_can_be_written_is_found_out_without_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_writable(tmp_path / "a.nc")
    assert list(tmp_path.iterdir()) == []
    for path in (tmp_path / "absent" / "a.nc", tmp_path / ("a" * 300)):
        with pytest.raises(StoreError, match=r"cannot be written"):
            require_writable(path)
    (tmp_path / "a.nc").write_text("mine")
    tmp_path.chmod(0o1777)
    require_writable(tmp_path / "a.nc")
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(StoreError, match="belongs to another user"):
        require_writable(tmp_path / "a.nc")
    require_writable(tmp_path / "b.nc")
    assert [path.name for path in tmp_path.iterdir()] == ["a.nc"]


def test_one_sweep_alone_or_several_shards_together(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a.nc")
    folder.make()
    leftover = folder.cells / f".x{TEMPORARY_SUFFIX}"
    leftover.write_text("half")
    with locked(folder, shared=True), locked(folder, shared=True):
        assert leftover.exists()
        with pytest.raises(StoreError, match="locked by another sweep"), locked(folder, shared=False):
            raise AssertionError("the lock was given twice")
    with locked(folder, shared=False):
        assert not leftover.exists()


def test_a_cell_under_another_name_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a.nc")
    folder.make()
    assert load_cell(folder, "b") is None
    publish(folder.cell("b"), encode(_arrays(), {"identity": "x"}))
    with pytest.raises(StoreError, match="contains cell x"):
        load_cell(folder, "b")


def test_failures_are_kept_with_their_reason(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a.nc")
    folder.make()
    assert read_failure(folder, "x") is None
    record_failure(folder, "x", {"error": "why"})
    assert read_failure(folder, "x") == {"error": "why"}
    for content in ("{", "[]"):
        folder.failure("x").write_text(content)
        assert read_failure(folder, "x") == {"error": "unreadable record", "type": "unknown"}


def test_clouds_are_read_from_every_format(tmp_path: Path) -> None:
    z = normals(KEY, 0, 5, 4)
    np.save(tmp_path / "a.npy", z)
    np.savez(tmp_path / "a.npz", z)
    np.savez(tmp_path / "b.npz", particles=z, other=z[:1])
    lines = [",".join(repr(float(v)) for v in row) for row in z]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    (tmp_path / "b.csv").write_text("\n".join(["p,q,r,s", *lines, ""]))
    run = xr.Dataset({"particles": (("time", "particle", "param"), np.stack([0 * z, z]))}, coords={"time": [0.0, 2.0]})
    save(run, tmp_path / "run.nc")
    for name in ("a.npy", "a.npz", "b.npz", "a.csv", "b.csv", "run.nc", "run.nc@2"):
        np.testing.assert_array_equal(load_cloud(str(tmp_path / name)), z)
    assert not load_cloud(str(tmp_path / "run.nc"), 0.0).any()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"1,2", "must be .npy"),
        ("a.npy", b"1,2", "not a cloud"),
        ("a.npy", _npy(np.zeros(3)), "shape"),
        ("a.npy", _npy(np.full((2, 2), np.nan)), "finite; row 0"),
        ("a.npy", _npy(np.array([["a"]])), "numbers"),
        ("a.npz", b"PK", "not a cloud"),
        ("a.csv", b"1,2\n3", "line 2, column 2: 1 cells, where line 1 has 2"),
        ("a.csv", b"1,x", "line 1, column 2: 'x' is not a number"),
        ("a.csv", b"", "line 1, column 1: the file is empty"),
        ("a.csv", b"\xff", "line 1, column 1: byte 0xff is not UTF-8"),
        ("a.nc@x", b"", "a time must follow @"),
    ],
)
def test_bad_clouds_are_refused_and_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MfsymError, match=words) as caught:
        load_cloud(str(tmp_path / name))
    assert name in str(caught.value)


def test_a_time_that_a_run_does_not_hold_is_refused(tmp_path: Path) -> None:
    run = xr.Dataset({"particles": (("time", "particle", "param"), np.zeros((2, 3, 4)))}, coords={"time": [0.0, 2.0]})
    save(run, tmp_path / "run.nc")
    with pytest.raises(MfsymError, match="no time 1; the nearest is"):
        load_cloud(str(tmp_path / "run.nc@1"))
    save(_dataset(), tmp_path / "other.nc")
    with pytest.raises(MfsymError, match="holds no particles"):
        load_cloud(str(tmp_path / "other.nc"))
