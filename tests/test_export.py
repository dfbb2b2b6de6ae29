"""The exported file: it makes what torch makes, of any number of pictures of any size, and says what it is."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

import domainxfer
from domainxfer import export
from domainxfer.errors import DomainxferError, MissingExtra
from domainxfer.export import export_onnx
from domainxfer.files import ExistsError
from domainxfer.loaded import Model
from domainxfer.models.config import GeneratorConfig, ModelConfig
from domainxfer.models.networks import new_generator
from domainxfer.presets import load_preset

Call = Callable[..., tuple[int, str, str]]
README = Path(__file__).parents[1] / "README.md"

TRANSLATOR = {"labels": 2, "width": 8, "blocks": 1, "detail": 2}
WHOLE = {**TRANSLATOR, "labels": 3, "detail": 1, "fine": 1, "edges": 0.2, "heads": 2, "code_size": 2}
STATISTICS = {**TRANSLATOR, "norm": "instance", "output": "plain", "patch": 8}
OF_NOISE = {"content": "noise", "output": "plain", "noise_size": 6, "width": 8, "blocks": 1, "labels": 4, "heads": 2}
LAYERS = load_preset("dcgan-28")["generator"]


def model(domains: tuple[str, ...] = (), **settings: Any) -> Model:
    """A model of random weights."""
    torch.manual_seed(0)
    config = GeneratorConfig.model_validate({"size": 16, **settings})
    about = ModelConfig(domains=domains, size=config.size, finished=True, generator=config)
    return Model(about, new_generator(config))


@pytest.fixture(scope="module")
def horses(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    """A translator and its file."""
    made = model(("horse", "zebra"), **TRANSLATOR)
    path = tmp_path_factory.mktemp("export") / "horse2zebra.onnx"
    made.export(path)
    return made, path


def opened(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (5, 3, 8, 64), (2, 3, 60, 20)])
def test_any_number_of_pictures_of_any_size(horses: tuple[Model, Path], shape: tuple[int, ...]) -> None:
    made, path = horses
    x, label = pictures(*shape), np.arange(shape[0]) % 2
    (image,) = opened(path).run(None, {"picture": x, "label": label})
    wanted = made.apply(torch.from_numpy(x), torch.from_numpy(label)).numpy()
    assert np.abs(image - wanted).max() < 1e-5
    (other,) = opened(path).run(None, {"picture": x, "label": 1 - label})
    assert np.abs(other - image).max() > 1e-3, "the label matters"


def test_the_file_says_what_it_takes(horses: tuple[Model, Path]) -> None:
    session = opened(horses[1])
    takes = {given.name: (given.type, given.shape) for given in session.get_inputs()}
    assert takes == {"picture": ("tensor(float)", ["N", 3, "4*H", "4*W"]), "label": ("tensor(int64)", ["N"])}
    assert [(made.name, made.shape) for made in session.get_outputs()] == [("image", ["N", 3, "4*H", "4*W"])]
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about.pop("domains")) == ["horse", "zebra"]
    assert about == {
        "labels": "2",
        "size": "16",
        "multiple": "4",
        "range": "-1 to 1",
        "made_by": f"domainxfer {domainxfer.__version__}",
    }


@pytest.mark.parametrize(
    ("settings", "inputs"),
    [
        (WHOLE, ["picture", "label", "code"]),
        (STATISTICS, ["picture", "label"]),
        (OF_NOISE, ["noise", "label"]),
        (LAYERS, ["noise"]),
    ],
    ids=["whole", "statistics", "noise", "layers"],
)
def test_every_kind_of_generator(settings: dict[str, Any], inputs: list[str], tmp_path: Path) -> None:
    made = model(**settings)
    assert export_onnx(made, tmp_path / "m.onnx") < 1e-4
    session = opened(tmp_path / "m.onnx")
    assert [given.name for given in session.get_inputs()] == inputs
    c, count = made.config.generator, 7
    sides = (c.channels, 24, 40) if c.content == "picture" else (c.noise_size,)
    every = {inputs[0]: pictures(count, *sides), "label": np.arange(count) % 2, "code": pictures(count, c.code_size)}
    given = {name: every[name] for name in inputs}
    (image,) = session.run(None, given)
    content, label, code = (torch.from_numpy(given[name]) if name in given else None for name in every)
    assert content is not None
    wanted = made.apply(content, label, code).numpy()
    assert image.shape == wanted.shape
    assert np.abs(image - wanted).max() < 1e-4


def test_the_code_of_the_readme_needs_no_torch(horses: tuple[Model, Path], tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(import json.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "horse2zebra.onnx").write_bytes(horses[1].read_bytes())
    picture = Image.fromarray(((pictures(40, 30, 3) + 1) * 127).astype(np.uint8))
    picture.save(tmp_path / "img.jpg", quality=95)
    alone = f"import sys\nsys.modules['torch'] = None\n{code}"
    done = subprocess.run([sys.executable, "-c", alone], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "img.jpg") as source, Image.open(tmp_path / "zebra.png") as made:
        wanted = horses[0].translate(source.convert("RGB").resize((16, 16)), to="zebra")
        assert np.abs(np.asarray(made, int) - np.asarray(wanted, int)).max() <= 1


def test_a_file_that_would_make_other_pictures_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = export._difference
    monkeypatch.setattr(export, "_difference", lambda *given: right(*given) + 0.01)
    with pytest.raises(DomainxferError, match=r"m\.onnx would make other pictures than torch \(by 0\.01 of"):
        export_onnx(model(**LAYERS), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["onnxruntime", "onnxscript"])
def test_a_missing_package_is_one_line(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtra, match=r"pip install 'domainxfer\[onnx\]'"):
        export_onnx(model(**TRANSLATOR), tmp_path / "m.onnx")


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(run: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the command in an empty folder; the file that it writes is one of four bytes."""

    def write(_: Model, path: Path, *, overwrite: bool) -> float:
        if path.exists() and not overwrite:
            raise ExistsError(f"{path} exists already")
        path.write_bytes(b"ONNX")
        return 1.8e-06

    monkeypatch.setattr(export, "export_onnx", write)
    return partial(run, "export")


def test_a_model_that_ships_by_its_name(command: Call, tmp_path: Path) -> None:
    code, out, _ = command("horse2zebra", "--to", "onnx")
    assert code == 0
    assert out == "horse2zebra.onnx: 0.0 MB; its pictures are those of torch within 2e-06 of [-1, 1]\n"
    assert (tmp_path / "horse2zebra.onnx").read_bytes() == b"ONNX"


def test_the_latest_run_into_a_folder(command: Call, tmp_path: Path) -> None:
    made = model(("horse", "zebra"), **TRANSLATOR)
    made.config = made.config.model_copy(update={"finished": False, "steps": 40})
    made.save(tmp_path / "runs" / "mine-1" / "model")
    (tmp_path / "runs" / "mine-1" / "recipe.yaml").write_text("{}")
    (tmp_path / "runs" / "latest").symlink_to("mine-1")
    (tmp_path / "out").mkdir()
    code, out, err = command("-o", "out")
    assert (code, out.split(":")[0]) == (0, "out/mine-1.onnx")
    assert "the training of mine-1 had not ended" in err


def test_what_exists_is_kept(command: Call, tmp_path: Path) -> None:
    (tmp_path / "horse2zebra.onnx").write_text("mine")
    code, _, err = command("horse2zebra")
    assert code == 1
    assert err == (
        "domainxfer: horse2zebra.onnx exists already; replace it with --overwrite or choose another place with -o\n"
    )
    assert (tmp_path / "horse2zebra.onnx").read_text() == "mine"
    assert command("horse2zebra", "--overwrite")[0] == 0
    assert (tmp_path / "horse2zebra.onnx").read_bytes() == b"ONNX"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("horse2zebra", "--to", "onx"), 2, "--to onx: models are exported to onnx. Did you mean 'onnx'?"),
        (("horse2zebra", "-o", "out/"), 2, "-o out: there is no such folder, and a file for onnx ends in .onnx"),
        (("nothing",), 1, "no run 'nothing'"),
    ],
)
def test_errors_are_one_line(command: Call, arguments: tuple[str, ...], code: int, says: str) -> None:
    got, out, err = command(*arguments)
    assert (got, out) == (code, "")
    assert err.startswith("domainxfer: ")
    assert says in err
    assert err.count("\n") == 1
