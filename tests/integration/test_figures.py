"""The figures on toy Datasets: they draw, repeat byte for byte, leave out what is not a number."""

import ast
import importlib
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from mfsym.errors import MfsymError
from mfsym.figures import FIGURES as FIGURES_BY_NAME
from mfsym.figures import drawn as drawn_files
from mfsym.figures import figure, main, markdown
from mfsym.figures.drawing import render
from mfsym.figures.looks import WIDTH, Look, read_palette
from mfsym.plotting import Movie, animate, frame_of
from mfsym.stores.datasets import save
from tests.tolerances import ALGEBRA

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "mfsym" / "figures"
SCHEMES = ["vanilla", "da", "da-sampled", "fa", "ea"]
LAWS = ("rmd2_si", "rmd2_symmetrised")
MODELS = ("l2_symmetrisation", "l2_target", "l2_symmetrised_target")
CONFIG = {"sweep": {"seed": 0}, "training": {"alpha": 50.0, "tau": 1e-4, "horizon": 20.0, "unit": "matrix"}}
BASIS = np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]]).T / 2.0**0.5
TEACHER_PARTICLES = np.array([[0.5, 0.0, 0.2, -0.5], [0.1, 0.4, -0.3, 0.2]])


def script(name):
    """A module of mfsym.figures by name."""
    return importlib.import_module(f"mfsym.figures.{name}")


def sweep(*inits, teachers=("wi",)):
    """A sweep's Dataset with two sizes and two replicates; EA at rounding level, as in a real one."""
    coords = {"teacher": list(teachers), "init": list(inits), "scheme": SCHEMES, "n": [5, 50]}
    coords |= {"replicate": [0, 1]}
    dims = tuple(coords)
    shape = tuple(len(values) for values in coords.values())
    values = 10.0 ** -(1.0 + np.arange(np.prod(shape)).reshape(shape) % 7)
    values[:, :, SCHEMES.index("ea")] = 1e-33
    variables = dict.fromkeys((*LAWS, *MODELS), (dims, values))
    variables["rmd2_pair"] = ((*dims, "other"), np.stack([values] * len(SCHEMES), axis=-1))
    variables["status"] = (dims, np.full(shape, "ok", dtype="<U8"))
    return xr.Dataset(variables, coords=coords | {"other": SCHEMES}, attrs={"config": json.dumps(CONFIG)})


def comparison(teacher):
    """A comparison's Dataset: four particles a scheme, vanilla off the subspace, EA diverged."""
    cloud = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.5], [0.3, 0.3]]) @ BASIS.T
    particles = np.stack([cloud] * len(SCHEMES))
    particles[0, :, 0] += 0.5
    particles[-1] = np.nan
    variables = {
        "particles": (("scheme", "replicate", "particle", "param"), particles[:, None]),
        "teacher_particles": (("teacher_particle", "param"), TEACHER_PARTICLES),
        "fixed_basis": (("param", "direction"), BASIS),
        "status": (("scheme", "replicate"), [["ok"]] * (len(SCHEMES) - 1) + [["diverged"]]),
    }
    attrs = {"config": json.dumps({**CONFIG["training"], "teacher": teacher})}
    return xr.Dataset(variables, coords={"scheme": SCHEMES}, attrs=attrs)


def discovery():
    """A discovery's Dataset: three steps, the last subspace kept."""
    basis = np.full((4, 4, 4), np.nan)
    basis[1, :, :1], basis[2, :, :2], basis[3, :, :2] = BASIS[:, :1], BASIS, BASIS
    cloud = np.array([[1.0, 0.2, 0.0, 0.4], [-0.5, 0.0, 0.1, 0.3], [0.2, 0.2, 0.2, -0.2]])
    variables = {
        "particles_before": (("step", "particle", "param"), np.stack([0.0 * cloud, 0.5 * cloud, cloud])),
        "particles_after": (("step", "particle", "param"), np.stack([0.5 * cloud, cloud, 1.5 * cloud])),
        "basis": (("step", "param", "direction"), basis[:3]),
        "rmd2": ("step", [0.5, 0.1, 1e-3]),
        "threshold": ("step", [1e-2, 1e-2, 1e-2]),
        "left": ("step", [1, 1, 0]),
        "teacher_particles": (("teacher_particle", "param"), TEACHER_PARTICLES),
        "fixed_basis": (("param", "direction"), basis[3]),
    }
    return xr.Dataset(variables, attrs={"config": json.dumps(CONFIG)})


def texts(figure):
    """All the words under the panels of a figure."""
    return " ".join(text.get_text() for text in figure.texts)


def drawn(figure):
    """Every finite y value of every line of a figure."""
    lines = [np.asarray(line.get_ydata(), dtype=float) for axes in figure.axes for line in axes.lines]
    values = np.concatenate(lines)
    return values[np.isfinite(values)]


@pytest.mark.parametrize(("name", "init"), [("fig3", "si"), ("demo", "si"), ("fig6", "wi")])
def test_a_script_writes_pdf_and_png_from_a_sweeps_file(name, init, tmp_path):
    save(sweep(init), tmp_path / "toy.nc")
    out = tmp_path / "out" / f"{name}.pdf"
    main(name, [str(tmp_path / "toy.nc"), str(out)])
    assert out.read_bytes().startswith(b"%PDF")
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["fig1", "fig7", "fig8", "fig9"])
def test_a_script_reads_both_starts_from_one_file_or_two(name):
    draw = script(name).draw
    teachers = ("arbitrary", "wi")
    both = draw(sweep("si", "wi", teachers=teachers))
    parts = draw(sweep("si", teachers=teachers), sweep("wi", teachers=teachers))
    assert drawn(both).shape == drawn(parts).shape
    assert len(both.axes) == len(parts.axes)
    with pytest.raises(MfsymError, match="init=wi"):
        draw(sweep("si", teachers=teachers))


def grey_bands(figure):
    """(number of panels with a grey band, all heights of the bands) of a figure."""
    panels, heights = 0, []
    for axes in figure.axes:
        found = [each for each in axes.collections if each.get_zorder() == 0.5]
        panels += bool(found)
        heights += [y for each in found for path in each.get_paths() for y in path.vertices[:, 1]]
    return panels, heights


@pytest.mark.parametrize(
    ("name", "inits", "panels"), [("fig6", ("wi",), 2), ("fig1", ("si", "wi"), 2), ("fig3", ("si",), 0)]
)
def test_null_levels_are_grey_bands_where_they_were_measured(name, inits, panels):
    plain = sweep(*inits, teachers=("arbitrary", "wi"))
    level = xr.where(plain["scheme"] == "ea", 1e-33, 0.01) * xr.ones_like(plain["rmd2_symmetrised"])
    told = plain.assign(null_symmetrised_lower=level, null_symmetrised_upper=4.0 * level)
    draw = script(name).draw
    found, heights = grey_bands(draw(told))
    assert found == panels
    assert set(np.round(heights, 12)) == ({0.01, 0.04} if panels else set())
    assert ("Grey band" in texts(draw(told))) == bool(panels)
    assert grey_bands(draw(plain)) == (0, [])


@pytest.mark.parametrize(("name", "teacher"), [("fig4", "wi"), ("fig5", "arbitrary")])
def test_clouds_have_one_column_per_scheme_that_did_not_diverge(name, teacher, tmp_path):
    dataset = comparison(teacher)
    figure = script(name).draw(dataset)
    assert len(figure.axes) == 2 * (len(SCHEMES) - 1)
    assert "Left out of 5 trainings: 1 diverged." in texts(figure)
    paths = [tmp_path / f"{name}{suffix}" for suffix in (".pdf", ".png", ".svg")]
    render(script(name).draw, [dataset], paths)
    assert all(0 < path.stat().st_size < 2_000_000 for path in paths)
    with pytest.raises(MfsymError, match="shows the"):
        script(name).draw(comparison("si"))
    with pytest.raises(MfsymError, match="fixed_basis"):
        script(name).draw(dataset.drop_vars("fixed_basis"))


@pytest.mark.parametrize("known", [True, False])
def test_the_discovery_is_drawn_step_by_step(known):
    dataset = discovery()
    figure = script("fig2").draw(dataset if known else dataset.drop_vars(["fixed_basis", "teacher_particles"]))
    assert len(figure.axes) == 2 * dataset.sizes["step"]
    words = texts(figure)
    assert "dim $E_0$ = 0" in words
    assert words.count(", left") == 2
    assert words.count(", kept") == 1


def test_the_threshold_of_the_discovery_is_drawn_with_its_decisions():
    dataset = discovery()
    figure = script("fig10").draw(dataset)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["before training", "after training, subspace left", "after training, subspace kept", "threshold"]
    dataset["statistic"] = 0.5 * dataset["rmd2"]
    labels = [text.get_text() for text in script("fig10").draw(dataset).legends[0].get_texts()]
    assert "statistic of the rule" in labels
    assert np.isclose(drawn(figure), 1e-3).any()


def test_a_discovery_that_is_undecided_says_so_and_why():
    dataset = discovery().assign(verdict=("step", ["left", "left", "undecided"]))
    dataset.attrs |= {"verdict": "undecided", "reason": "a stationary start"}
    figure = script("fig10").draw(dataset)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "after training, undecided" in labels
    for each in (figure, script("fig2").draw(dataset)):
        assert "undecided: a stationary start" in texts(each).replace("\n", " ")
    assert texts(script("fig2").draw(dataset)).count(", undecided") == 1


def test_convergence_shows_the_fitted_and_the_expected_slope():
    n = np.array([50, 500, 5000])
    gap = n[:, None] ** -0.5 * np.array([1.0, 2.0])
    variables = {"error_mean": (("n", "replicate"), gap), "rmd2_si": (("n", "replicate"), gap**2)}
    slopes = {"slope": [-0.5, -1.0], "slope_lower": [-0.6, -1.1], "slope_upper": [-0.4, -0.9]}
    variables |= {name: ("observable", values) for name, values in slopes.items()}
    dataset = xr.Dataset(variables, coords={"observable": ["error_mean", "rmd2_si"], "n": n})
    expected = [["expected −0.50", "slope −0.50 [−0.60, −0.40]"], ["slope −1.00 [−1.10, −0.90]"]]
    for result in (dataset, dataset.expand_dims(time=[1.0, 5.0])):
        axes = script("convergence").draw(result).axes
        assert [[text.get_text() for text in each.get_legend().get_texts()] for each in axes] == expected


def test_the_counterexample_shows_the_least_risk_of_si_laws():
    radius = np.linspace(0.0, 1.0, 5)
    risk = np.array([[[0.09, 0.1], [0.083, 0.084]], [[0.01, 0.02], [0.001, 0.002]]])
    variables = {"risk": (("law", "n", "replicate"), risk), "target": ("radius", radius**2)}
    variables["profile"] = (("law", "radius"), np.stack([np.full(5, 0.3), radius**2]))
    coords = {"law": ["si", "wi"], "n": [10, 100], "radius": radius}
    figure = script("counterexample").draw(xr.Dataset(variables, coords=coords, attrs={"si_infimum": 0.0825544}))
    assert "0.082554" in texts(figure)
    assert np.isclose(drawn(figure), 0.0825544).any()


@pytest.mark.parametrize(("error", "bars"), [(0.0, 0), (1e-5, 0), (5e-3, 2)])
def test_stated_errors_are_drawn_where_a_line_would_not_hide_them(error, bars):
    radius = np.linspace(0.0, 1.0, 5)
    risk = np.array([[[0.09, 0.1], [0.083, 0.084]], [[0.01, 0.02], [0.03, 0.04]]])
    variables = {"risk": (("law", "n", "replicate"), risk), "target": ("radius", radius**2)}
    variables["risk_error"] = (("law", "n", "replicate"), np.full(risk.shape, error))
    variables["profile"] = (("law", "radius"), np.stack([np.full(5, 0.3), radius**2]))
    coords = {"law": ["si", "wi"], "n": [10, 100], "radius": radius}
    figure = script("counterexample").draw(xr.Dataset(variables, coords=coords, attrs={"si_infimum": 0.0825544}))
    thick = [lines for lines in figure.axes[0].collections if np.all(np.isclose(lines.get_linewidth(), 1.6))]
    assert sum(bool(len(lines.get_segments())) for lines in thick) == bars


def test_the_phase_portrait_has_one_panel_per_time():
    grid = np.linspace(-1.0, 1.0, 7)
    first, second = np.meshgrid(grid, grid)
    drift = np.stack([np.stack([-first, second], axis=-1), np.stack([second, -first], axis=-1)])
    variables = {"drift": (("time", "second", "first", "coordinate"), drift)}
    variables["particles_fixed"] = (("time", "particle", "coordinate"), np.full((2, 3, 2), 0.1))
    variables["teacher_fixed"] = (("teacher_particle", "coordinate"), np.full((1, 2), 0.2))
    figure = script("phase").draw(xr.Dataset(variables, coords={"time": [0.0, 2.0], "first": grid, "second": grid}))
    assert [axes.get_title() for axes in figure.axes][:2] == ["$t$ = 0", "$t$ = 2"]


def test_a_frame_is_orthonormal_and_looks_where_the_clouds_leave_the_subspace():
    frame = frame_of(BASIS, TEACHER_PARTICLES)
    assert np.abs(frame.directions.T @ frame.directions - np.eye(3)).max() < ALGEBRA
    assert np.abs(frame.directions[:, :2] - BASIS).max() == 0.0
    line, point = frame_of(BASIS[:, :1], TEACHER_PARTICLES), frame_of(BASIS[:, :0], np.zeros((1, 4)))
    for other in (line, point):
        assert np.abs(other.directions.T @ other.directions - np.eye(3)).max() < ALGEBRA


def test_an_animation_shows_every_time_and_repeats_byte_for_byte(tmp_path):
    times = np.array([0.0, 1.0, 2.0])
    particles = np.linspace(-1.0, 1.0, 3 * 4 * 4).reshape(3, 4, 4)
    movie = Movie(times, particles, BASIS, TEACHER_PARTICLES)
    for name in ("a.gif", "b.gif"):
        animate(movie, tmp_path / name)
    data = (tmp_path / "a.gif").read_bytes()
    assert data == (tmp_path / "b.gif").read_bytes()
    assert data.startswith(b"GIF89a")
    still = Movie(times, np.repeat(particles[:1], 3, axis=0), BASIS)
    animate(still, tmp_path / "c.gif")
    assert data != (tmp_path / "c.gif").read_bytes()


@pytest.mark.parametrize(("name", "reason"), [("a.avi", "a .gif or an .mp4"), ("a", "no suffix"), ("a.mp4", "ffmpeg")])
def test_an_animation_that_cannot_be_written_is_refused_and_leaves_nothing(name, reason, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MfsymError, match=reason):
        animate(Movie(np.zeros(1), np.zeros((1, 2, 4)), BASIS), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_same_result_gives_the_same_bytes(tmp_path):
    other = discovery()
    other["rmd2"] = 0.5 * other["rmd2"]
    written = []
    for name, dataset in (("a", discovery()), ("b", discovery()), ("c", other)):
        paths = [tmp_path / name / f"fig{suffix}" for suffix in (".pdf", ".png", ".svg")]
        render(figure("fig10"), [dataset], paths)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert all(one != another for one, another in zip(written[0], written[2], strict=True))


def test_diverged_trainings_are_left_out_and_counted():
    draw = script("fig3").draw
    dataset = sweep("si")
    assert "diverged" not in texts(draw(dataset))
    dataset["status"][{"teacher": 0, "scheme": 0, "n": 1}] = "diverged"
    figure = draw(dataset)
    assert "Left out of 20 trainings: 2 diverged." in texts(figure)
    assert drawn(figure).size < drawn(draw(sweep("si"))).size


def test_drifted_trainings_are_drawn_and_counted():
    draw = script("fig3").draw
    dataset = sweep("si")
    plain = drawn(draw(dataset)).size
    dataset["status"][{"teacher": 0, "scheme": 0, "n": 1}] = "drifted"
    figure = draw(dataset)
    assert "Of 20 trainings 2 left $E^G$ by rounding" in texts(figure)
    assert drawn(figure).size == plain


def test_values_at_rounding_level_do_not_squash_the_axis():
    rounding = script("scales").ROUNDING
    dataset = sweep("wi")
    assert float(dataset["rmd2_si"].min()) < rounding
    figure = script("fig6").draw(dataset)
    bottoms = [axes.get_ylim()[0] for axes in figure.axes]
    assert min(bottoms) > rounding
    assert drawn(figure).min() > rounding


def test_captions_state_the_parameters():
    text = texts(script("fig3").draw(sweep("si"))).replace("\u00a0", " ")
    for part in ("α = 50", "τ = $10^{-4}$", "T = 20", "matrix unit", "2 replicates", "seed 0"):
        assert part in text


def test_a_result_without_the_start_is_refused_in_one_line(tmp_path, capsys):
    with pytest.raises(MfsymError, match="init=si"):
        script("fig3").draw(sweep("wi"))
    save(sweep("wi"), tmp_path / "toy.nc")
    with pytest.raises(SystemExit) as stop:
        main("fig3", [str(tmp_path / "toy.nc"), str(tmp_path / "out.pdf")])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out.pdf").exists()


def test_figures_read_results_and_never_simulate():
    allowed = {"mfsym.errors", "mfsym.plotting", "mfsym.stores.datasets", "mfsym.stores.publishing"}
    allowed |= {"mfsym.arguments", "mfsym.configurations.texts", "mfsym.figures"}
    for path in FIGURES.glob("*.py"):
        imported = {
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module
        }
        others = {name for name in imported if name.startswith("mfsym") and not name.startswith("mfsym.figures.")}
        assert others <= allowed, path.name


def test_the_scripts_are_the_code_of_the_command():
    for name in FIGURES_BY_NAME:
        text = (ROOT / "figures" / f"{name}.py").read_text(encoding="utf-8")
        assert text.endswith(f'if __name__ == "__main__":\n    main("{name}")\n'), name
        assert "from mfsym.figures import main\n" in text
    assert {path.stem for path in (ROOT / "figures").glob("*.py")} == set(FIGURES_BY_NAME)
    assert all(callable(figure(name)) for name in FIGURES_BY_NAME)


def test_the_table_of_the_figures_readme_is_the_packages():
    text = (ROOT / "figures" / "README.md").read_text(encoding="utf-8")
    assert markdown() in text, "python -m mfsym.figures prints the table for figures/README.md"


def test_the_rules_of_make_follow_from_the_table():
    done = subprocess.run(
        ["make", "-n", "-W", "pyproject.toml", "paper-all", "figures"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    for file, size, commands, path in drawn_files():
        if size in ("demo", "small"):
            continue
        results = " ".join(command.partition("-o ")[2].split()[0] for command in commands)
        assert [line for line in lines if line.endswith(f"python {path} {results} figures/out/{file}.pdf")], file


@pytest.mark.parametrize(("width", "teachers", "columns"), [(3.4, ("wi",), 1), (6.0, (), 2), (None, ("wi",), 1)])
def test_a_figure_has_the_width_and_the_teachers_asked_for(width, teachers, columns, tmp_path):
    look = Look(width, teachers)
    dataset = look.select(sweep("si", teachers=("arbitrary", "wi")))
    made = figure("fig3")(dataset, look=look)
    assert len(made.axes) == 3 * columns
    assert made.get_figwidth() == (width or WIDTH)
    render(figure("fig3"), [dataset], [tmp_path / "a.svg"], look)
    inches = float(re.search(r'width="([0-9.]+)pt"', (tmp_path / "a.svg").read_text())[1]) / 72.0
    assert abs(inches - (width or WIDTH)) < (0.05 if width else 0.5)


def test_what_a_figure_cannot_show_is_refused():
    with pytest.raises(MfsymError, match=r"no teacher 'so'; it has wi"):
        Look(teachers=("so",)).select(sweep("si"))
    with pytest.raises(MfsymError, match="in a sweep only"):
        Look(teachers=("wi",)).select(discovery())
    with pytest.raises(MfsymError, match="2 to 40 inches"):
        Look(1.0)
    with pytest.raises(MfsymError, match=r"4 columns of panels need .* 4.4 inches, got 3.4"):
        figure("fig1")(sweep("si", "wi", teachers=("arbitrary", "wi")), look=Look(3.4))
    with pytest.raises(MfsymError, match="did you mean 'fig3'"):
        figure("fig33")
    with pytest.raises(MfsymError, match="needs the scheme ea; the result has vanilla, fa"):
        figure("fig3")(sweep("si").sel(scheme=["vanilla", "fa"], other=["vanilla", "fa"]))


def test_a_palette_recolours_schemes_and_pairs(tmp_path):
    path = tmp_path / "palette.toml"
    path.write_text('fa = "#123456"\nda-fa = "0.6"\nea = { marker = "*", label = "equivariant" }\nmine = "red"\n')
    look = Look(palette=read_palette(path, ["mine", "fa"]))
    made = figure("fig3")(sweep("si"), look=look)
    legend = made.legends[0]
    found = {
        text.get_text(): line.get_color() for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)
    }
    assert found["FA"] == "#123456"
    assert found["DA–FA"] == "#999999"
    assert found["equivariant"] == "#CC79A7"
    assert found["DA"] == "#0072B2"
    for text, reason in (
        ('fb = "red"', "unknown name 'fb'"),
        ('fa = "reddish"', "colour must be"),
        ("fa = { size = 3 }", "unknown key 'size'"),
        ('fa = { marker = "@" }', "marker must be"),
        ('fa = { label = "" }', "label must be"),
    ):
        path.write_text(text)
        with pytest.raises(MfsymError, match=reason):
            read_palette(path)


def test_schemes_and_teachers_of_ones_own_are_drawn_too():
    dataset = sweep("si").assign_coords(scheme=["mine", *SCHEMES[1:]], teacher=["rings"])
    dataset = dataset.assign_coords(other=dataset["scheme"].values)
    made = figure("fig3")(dataset)
    assert "mine" in [text.get_text() for text in made.legends[0].get_texts()]
    assert made.axes[0].get_title() == "rings"


def test_the_command_draws_what_the_script_draws(mfsym, tmp_path):
    save(sweep("si"), tmp_path / "toy.nc")
    main("fig3", [str(tmp_path / "toy.nc"), str(tmp_path / "fig3.pdf")])
    (tmp_path / "again").mkdir()
    out = tmp_path / "again" / "fig3.pdf"
    assert mfsym("figure", "fig3", str(tmp_path / "toy.nc"), "-o", str(out)).exit_code == 0
    assert out.read_bytes() == (tmp_path / "fig3.pdf").read_bytes()
    refused = mfsym("figure", "fig3", str(tmp_path / "toy.nc"), "-o", str(tmp_path / "a.jpg"))
    assert (refused.exit_code, "must end in .pdf, .png, .svg" in refused.stderr) == (2, True)


def flow_run(noise, size):
    """A simulation's Dataset: five particles at distance ``size`` at three times."""
    z = np.full((3, 5, 4), 0.5 * size)
    variables = {"particles": (("time", "particle", "param"), z), "risk": ("time", [1.0, 0.5, 0.25 * size])}
    coords = {"time": [0.0, 1.0, 2.0]}
    return xr.Dataset(variables, coords=coords, attrs={"config": json.dumps(CONFIG["training"]), "noise": noise})


def test_the_quotient_flow_draws_every_noise_once_and_says_what_horizontal_noise_lacks():
    runs = [flow_run("horizontal", 2.0), flow_run("isotropic", 4.0), flow_run("quotient", 4.0)]
    drawing = figure("quotient-flow")(*runs)
    left, right = drawing.axes
    assert [line.get_label() for line in left.lines] == ["isotropic", "quotient", "horizontal"]
    assert [list(line.get_ydata()) for line in left.lines] == [[16.0] * 3, [16.0] * 3, [4.0] * 3]
    assert [line.get_ydata()[-1] for line in right.lines] == [1.0, 1.0, 0.5]
    assert "75\u00a0% less under horizontal noise" in texts(drawing)
    assert "N\u00a0=\u00a05" in texts(drawing)
    for wrong in ([runs[0], runs[0]], [flow_run("projected", 1.0)]):
        with pytest.raises(MfsymError, match="needs simulations of different noises out of isotropic, quotient"):
            figure("quotient-flow")(*wrong)
