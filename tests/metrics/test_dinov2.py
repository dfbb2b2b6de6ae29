"""DINOv2's forward against torch's own transformer layers on random weights, and what its loader refuses."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from domainxfer.errors import DomainxferError
from domainxfer.metrics.extractors import DinoV2, load_extractor
from domainxfer.metrics.extractors.dinov2 import DEVIATION, MEAN, VARIABLE, positions

WIDTH, DEPTH = 128, 2


def random_weights(grid: int = 16) -> dict[str, Tensor]:
    """Weights by the names in the authors' files, small enough to be quick."""
    numbers = torch.Generator().manual_seed(0)

    def some(*shape: int, scale: float = 0.05) -> Tensor:
        return scale * torch.randn(shape, generator=numbers)

    found = {
        "cls_token": some(1, 1, WIDTH),
        "mask_token": some(1, WIDTH),
        "pos_embed": some(1, 1 + grid**2, WIDTH),
        "patch_embed.proj.weight": some(WIDTH, 3, 14, 14),
        "patch_embed.proj.bias": some(WIDTH),
        "norm.weight": 1 + some(WIDTH),
        "norm.bias": some(WIDTH),
    }
    for n in range(DEPTH):
        shapes = {"attn.qkv": (3 * WIDTH, WIDTH), "attn.proj": (WIDTH, WIDTH)}
        shapes |= {"mlp.fc1": (4 * WIDTH, WIDTH), "mlp.fc2": (WIDTH, 4 * WIDTH)}
        for name, shape in shapes.items():
            found[f"blocks.{n}.{name}.weight"], found[f"blocks.{n}.{name}.bias"] = some(*shape), some(shape[0])
        for k in (1, 2):
            found[f"blocks.{n}.norm{k}.weight"] = 1 + some(WIDTH)
            found[f"blocks.{n}.norm{k}.bias"] = some(WIDTH)
            found[f"blocks.{n}.ls{k}.gamma"] = 1 + some(WIDTH, scale=0.3)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save(random_weights(), tmp_path / "vit.pth")
    return tmp_path / "vit.pth"


def torchs(w: dict[str, Tensor]) -> nn.TransformerEncoder:
    """The same blocks made of torch's, the scales of the branches multiplied into their last linear maps."""
    layer = nn.TransformerEncoderLayer(
        WIDTH, WIDTH // 64, 4 * WIDTH, 0.0, "gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    )
    encoder = nn.TransformerEncoder(layer, DEPTH, nn.LayerNorm(WIDTH, eps=1e-6), enable_nested_tensor=False).eval()
    state = {"norm.weight": w["norm.weight"], "norm.bias": w["norm.bias"]}
    for n in range(DEPTH):
        of, to = f"blocks.{n}.", f"layers.{n}."
        for kind in ("weight", "bias"):
            scale = [w[f"{of}ls{k}.gamma"].view(-1, *([1] if kind == "weight" else [])) for k in (1, 2)]
            state[f"{to}self_attn.in_proj_{kind}"] = w[f"{of}attn.qkv.{kind}"]
            state[f"{to}self_attn.out_proj.{kind}"] = scale[0] * w[f"{of}attn.proj.{kind}"]
            state[f"{to}linear1.{kind}"] = w[f"{of}mlp.fc1.{kind}"]
            state[f"{to}linear2.{kind}"] = scale[1] * w[f"{of}mlp.fc2.{kind}"]
            for k in (1, 2):
                state[f"{to}norm{k}.{kind}"] = w[f"{of}norm{k}.{kind}"]
    encoder.load_state_dict(state)
    return encoder


def test_the_forward_is_that_of_torchs_layers(file: Path) -> None:
    w, x = random_weights(), torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    normal = ((x + 1) / 2 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
    patches = normal.unfold(2, 14, 14).unfold(3, 14, 14).permute(0, 2, 3, 1, 4, 5).reshape(2, 256, -1)
    tokens = patches @ w["patch_embed.proj.weight"].flatten(1).T + w["patch_embed.proj.bias"]
    tokens = torch.cat([w["cls_token"].expand(2, -1, -1), tokens], 1) + w["pos_embed"]
    with torch.no_grad():
        expected = torchs(w)(tokens)[:, 0]
    found = DinoV2(file).features(x)
    assert found.shape == (2, WIDTH)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_the_model_hubs_names_mean_the_same(file: Path, tmp_path: Path) -> None:
    hub: dict[str, Tensor] = {}
    for name, tensor in random_weights().items():
        name = name.replace("blocks.", "encoder.layer.").replace("attn.proj", "attention.output.dense")
        name = name.replace("patch_embed.proj", "embeddings.patch_embeddings.projection")
        name = name.replace("pos_embed", "embeddings.position_embeddings")
        for k in (1, 2):
            name = name.replace(f"ls{k}.gamma", f"layer_scale{k}.lambda1")
        if name.startswith("norm."):
            name = "layer" + name
        if name in ("cls_token", "mask_token"):
            name = "embeddings." + name
        if "attn.qkv" in name:
            for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                hub[name.replace("attn.qkv", f"attention.attention.{part}")] = third.contiguous()
        else:
            hub[name] = tensor
    save_file(hub, tmp_path / "model.safetensors")
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    assert torch.equal(DinoV2(tmp_path / "model.safetensors").features(x), DinoV2(file).features(x))


def test_positions_of_another_grid() -> None:
    """A ramp stays a ramp, as steep as the authors have it; the class token keeps its own."""
    ramp = torch.arange(37.0).view(1, 37, 1).expand(37, 37, 1).reshape(1, -1, 1)
    learned = torch.cat([torch.full((1, 1, 1), 7.0), ramp], 1)
    assert positions(learned, 37) is learned
    found = positions(learned, 16)
    assert found.shape == (1, 257, 1)
    assert found[0, 0] == 7
    rows = found[0, 1:].view(16, 16)
    torch.testing.assert_close(rows[0], rows[5])
    assert float(rows[0, -2] - rows[0, 1]) / 13 == pytest.approx(37 / 16.1, abs=0.005), "37 / 16 without their tenth"


def test_weights_from_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(file))
    assert DinoV2().digest == DinoV2(file).digest
    assert load_extractor("dinov2", file).name == "dinov2"


def test_without_weights_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    load_extractor.cache_clear()
    with pytest.raises(DomainxferError, match=r"dinov2_vits14_pretrain\.pth.*--weights FILE") as caught:
        load_extractor("dinov2")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["nothing of it", "registers", "another patch", "a block short"])
def test_other_networks_are_refused(change: str, tmp_path: Path) -> None:
    weights = random_weights()
    match change:
        case "nothing of it":
            weights = {"conv.weight": torch.zeros(3, 3)}
        case "registers":
            weights["register_tokens"] = torch.zeros(1, 4, WIDTH)
        case "another patch":
            weights["patch_embed.proj.weight"] = torch.zeros(WIDTH, 3, 16, 16)
        case "a block short":
            del weights["blocks.1.mlp.fc1.bias"]
    torch.save(weights, tmp_path / "other.pth")
    with pytest.raises(DomainxferError, match="is not a DINOv2 network"):
        DinoV2(tmp_path / "other.pth")
