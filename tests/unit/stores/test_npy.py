"""NumPy's and NetCDF files that others wrote: read whole, or refused in one true sentence that names the file."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import Result

from mfsym.errors import MfsymError
from mfsym.stores.clouds import load_cloud
from mfsym.stores.datasets import open_result
from mfsym.stores.npy import parse_npy
from mfsym.stores.samples import load_samples

Z = np.arange(6.0).reshape(3, 2)


def npy(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version, allow_pickle=True)
    return buffer.getvalue()


def npz(save: Callable[..., None], **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def headed(shape: str, body: bytes, descr: str = "'<f8'") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body


def bomb(declared: int | None = None) -> bytes:
    """An archive of 30 kB whose one array inflates to 30 MB, or says that it would give ``declared`` bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("z.npy", headed("(2, 2)", bytes(30_000_000)))
    content = bytearray(buffer.getvalue())
    if declared is not None:
        directory = content.rfind(b"PK\x01\x02")
        content[directory + 24 : directory + 28] = declared.to_bytes(4, "little")
    return bytes(content)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize(
    "array", [Z, Z.astype("f4"), Z.astype(">f8"), np.asfortranarray(Z), Z.astype(np.int16), Z.astype(np.float16)]
)
def test_every_format_version_is_read(tmp_path: Path, version: tuple[int, int], array: np.ndarray) -> None:
    (tmp_path / "A.NPY").write_bytes(npy(array, version))
    found = load_cloud(str(tmp_path / "A.NPY"))
    assert np.array_equal(found, Z)
    assert found.dtype == np.float64
    assert found.flags.writeable


def test_a_header_of_python_2_is_read() -> None:
    assert np.array_equal(parse_npy(headed("(3L, 2L)", Z.tobytes())), Z)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_are_read_stored_and_compressed(tmp_path: Path, save: Callable[..., None]) -> None:
    for arrays in (
        {"a": Z},
        {"cloud/0": Z},
        {"W1": 2 * Z, "z": Z},
        {"particles": Z, "z": 2 * Z, "note": np.array("x")},
    ):
        (tmp_path / "a.NPZ").write_bytes(npz(save, **arrays))
        assert np.array_equal(load_cloud(str(tmp_path / "a.NPZ")), Z)
    big = np.zeros((2000, 50))
    objects = np.array([None])
    (tmp_path / "d.npz").write_bytes(npz(save, x=big, y=big[:, 0], names=np.array(["a"]), objects=objects))
    x, y = load_samples(tmp_path / "d.npz")
    assert (x.shape, y.shape) == ((2000, 50), (2000, 1))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "a.npy",
            npy(np.zeros(2, dtype=[("x", float), ("y", int)])),
            "holds records with the fields x, y; save them as",
        ),
        ("a.npy", npy(Z * 1j), r"holds complex numbers \(complex128\); save real and imaginary parts as columns"),
        ("a.npy", npy(np.array([[1, None]], dtype=object)), "holds Python objects, which only pickle can load"),
        ("a.npy", npy(np.array([["a"]])), "holds text"),
        ("a.npy", npy(np.array([["2020-01-01"]], dtype="datetime64[D]")), "holds dates or times"),
        ("a.npy", headed("(1, 1)", b"abcd", "'|V4'"), r"holds values of type \|V4; save them as float64"),
        ("a.npy", np.ma.masked_array(Z).dumps(), "it is a pickle, which can run code when loaded"),
        ("a.npy", npz(np.savez, a=Z), "it is a zip archive; name it .npz"),
        ("a.npy", b"", "it is empty"),
        ("a.npy", b"\x93NUMPY\x04\x00", "format 4.0; supported are 1.0, 2.0 and 3.0"),
        ("a.npy", npy(Z)[:-3], "48 bytes declared, 45 present"),
        ("a.npy", npy(Z) + npy(Z), "48 bytes declared, 224 present"),
        ("a.npy", headed("(2**62, 0)", b""), "not a plain dictionary"),
        ("a.npy", headed("(4611686018427387904, 4611686018427387904)", b""), "bytes declared, 0 present"),
        ("a.npy", headed("(99999999999999999999, 0)", b""), "declares the shape"),
        ("a.npy", headed("(-2, -3)", bytes(48)), "declares the shape"),
        ("a.npy", headed("(True, 1)", bytes(8)), "declares the shape"),
        ("a.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", "a .npy header of 2147483647 bytes"),
        ("a.npz", npy(Z), "it is a .npy file"),
        (
            "a.npz",
            npz(np.savez, W1=Z, W2=Z),
            r"holds 2 arrays \(W1, W2\); save one of shape \(N, p\) as particles or z",
        ),
        ("a.npz", npz(np.savez), "holds no arrays"),
        ("a.npz", npz(np.savez, **{"cloud/0": Z * 1j}), "the array 'cloud/0': holds complex numbers"),
        ("a.npz", npz(np.savez, z=Z)[:-10], "not a cloud"),
        ("a.npz", bomb(), "the array 'z': 32 bytes declared, 30000000 present"),
        ("a.npz", bomb(4_000_000_000), "'z.npy' declares 4000000000 bytes in"),
        ("a.npz", bomb(120), "Bad CRC-32"),
    ],
)
def test_one_true_sentence_for_each_foreign_array(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MfsymError, match=words) as caught:
        load_cloud(str(tmp_path / name))
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_nothing_is_inflated_on_the_word_of_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(bomb())
    tracemalloc.start()
    try:
        with pytest.raises(MfsymError, match="declared"):
            load_cloud(str(tmp_path / "a.npz"))
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("flip", [300, 500, 700])
def test_a_damaged_archive_is_refused(tmp_path: Path, flip: int) -> None:
    content = bytearray(npz(np.savez_compressed, z=np.sqrt(np.arange(200.0)).reshape(-1, 2)))
    content[flip] ^= 4
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(MfsymError, match=r"a\.npz: not a cloud"):
        load_cloud(str(tmp_path / "a.npz"))


def foreign(path: Path, engine: str, **options: Any) -> None:
    samples = {"x": (("sample", "in"), Z), "y": ("sample", Z[:, 0])}
    others = {"name": ("sample", np.array(["a", "bc", "d"], dtype=object)), "wave": ("k", np.zeros(4))}
    xr.Dataset({**samples, **(others if engine == "h5netcdf" else {})}).to_netcdf(path, engine=engine, **options)


def test_a_netcdf_file_of_another_program_is_not_called_damaged(tmp_path: Path, mfsym: Callable[..., Result]) -> None:
    foreign(tmp_path / "four.nc", "h5netcdf")
    foreign(tmp_path / "three.nc", "scipy")
    (tmp_path / "text.nc").write_text("hello")
    np.save(tmp_path / "a.npy", Z)
    words = {
        "four": "NetCDF-4 or HDF5 file of another program",
        "three": "a NetCDF-3 file",
        "text": "not a NetCDF file",
    }
    for name, sentence in words.items():
        result = mfsym("distance", tmp_path / f"{name}.nc", tmp_path / "a.npy", "--plan", tmp_path / "plan.npz")
        assert result.exit_code == 2
        assert f"{name}.nc: is {'a ' if name == 'four' else ''}{sentence}" in result.stderr
        assert len(result.stderr.splitlines()) == 1
        with pytest.raises(MfsymError, match=f"{sentence}.*, not a result of mfsym"):
            open_result(tmp_path / f"{name}.nc")
    assert not (tmp_path / "plan.npz").exists()


def test_samples_are_read_beside_variables_that_nobody_names(tmp_path: Path) -> None:
    foreign(tmp_path / "a.NC", "h5netcdf", encoding={"x": {"zlib": True}})
    x, y = load_samples(tmp_path / "a.NC")
    assert np.array_equal(x, Z)
    assert np.array_equal(y[:, 0], Z[:, 0])
    for name, words in {
        "name": "name holds text of any length",
        "sample": "has no 'sample'; it holds name, wave, x, y",
    }.items():
        with pytest.raises(MfsymError, match=words):
            load_samples(tmp_path / "a.NC", x=[name])
    foreign(tmp_path / "b.nc", "scipy")
    with pytest.raises(MfsymError, match=r"b\.nc: is a NetCDF-3 file, which is not read; convert it"):
        load_samples(tmp_path / "b.nc")


def test_missing_values_of_netcdf_are_refused(tmp_path: Path) -> None:
    data = xr.Dataset({"x": (("n", "d"), np.where(Z == 3.0, np.nan, Z)), "y": ("n", Z[:, 0])})
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", encoding={"x": {"dtype": "i2", "_FillValue": -9}})
    with pytest.raises(MfsymError, match=r"a\.nc: 'x' must be finite, row 1 is not"):
        load_samples(tmp_path / "a.nc")


@pytest.mark.parametrize("tail", ["nan", "inf", "1_0", "x", ""])
def test_a_time_is_a_plain_number(tail: str) -> None:
    with pytest.raises(MfsymError, match="a time must follow @"):
        load_cloud(f"run.nc@{tail}")


PROBLEM = """
[group]
name = "cyclic(2)"
[representations]
x = "permutation"
y = "trivial(1)"
[unit]
kind = "uv"
[dataset]
source = "{source}"
"""


@pytest.mark.parametrize(
    ("source", "content", "words"),
    [
        ("d.csv", b"\xef\xbb\xbfx0,x1,y\n" + 20 * b"1,2,3\n4,5,6\n", ""),
        ("d.csv", b"x0,x0,y\n1,2,3\n4,5,6\n", "d.csv: line 1, column 2: the name 'x0' occurs twice"),
        ("d.csv", b"x0;x1;y\n1;2;3\n", "d.csv: line 1, column 1: 'x0;x1;y' holds a semicolon"),
        ("d.csv", b"who,x0,x1,y\n" + 20 * b"anna,1,2,3\nbo,4,5,6\n", ""),
        ("d.npz", npz(np.savez, x=Z * 1j, y=Z), "d.npz: not a dataset: the array 'x': holds complex numbers"),
        ("d.npz", npz(np.savez_compressed, x=np.tile(Z, (9, 1)), y=np.tile(Z[:, 0], 9), more=Z), ""),
    ],
)
def test_check_answers_bad_data_in_one_line(
    mfsym: Callable[..., Result], tmp_path: Path, source: str, content: bytes, words: str
) -> None:
    (tmp_path / source).write_bytes(content)
    (tmp_path / "p.toml").write_text(PROBLEM.format(source=source))
    result = mfsym("check", tmp_path / "p.toml")
    assert result.exit_code == (2 if words else 0), result.output
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == (1 if words else 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source, "p.toml"])


def test_row_numbers_and_marks_do_not_move_a_cloud(mfsym: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_text("10,10\n1,1\n2,2\n")
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf10,10\n1,1\n2,2\n")
    (tmp_path / "rows.csv").write_text('"","x","y"\n"1",10,10\n"2",1,1\n"3",2,2\n')
    result = mfsym("distance", tmp_path / "bom.csv", tmp_path / "plain.csv")
    assert result.exit_code == 0
    assert "w2_squared    0\n" in result.stdout
    assert mfsym("distance", tmp_path / "rows.csv", tmp_path / "plain.csv").exit_code == 2
