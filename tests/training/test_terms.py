"""Terms by name: what they need, what they refuse, and terms of your own."""

import math
import sys
import types
from typing import Any

import pytest
import torch
from torch import Tensor

from domainxfer.errors import UsageError
from domainxfer.objective import Objective, TermSettings
from domainxfer.recipe import Recipe
from domainxfer.training.terms import NEEDS, TERMS, Term, build_terms, scores_reals_higher


def objective(phase: str, terms: dict[str, Any]) -> Objective:
    empty: dict[str, Any] = {"critic": {}, "generator": {}, "info": {}}
    return Objective.model_validate({**empty, phase: terms})


def built(phase: Any, terms: dict[str, Any]) -> list[Term]:
    return build_terms(objective(phase, terms))[phase]


def refusal(phase: str, terms: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        built(phase, terms)
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.exit_code == 2
    return line


@pytest.fixture
def my_terms(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("my_terms")
    monkeypatch.setitem(sys.modules, "my_terms", module)
    return module


# --- by name ----------------------------------------------------------------------------------------------------------


def test_every_known_term_asks_only_for_what_a_pass_has() -> None:
    for phase, terms in TERMS.items():
        for name in terms:
            (term,) = built(phase, {name: 1.0})
            assert term.needs
            assert term.needs <= NEEDS


def test_needs_follow_from_the_parameters() -> None:
    assert built("critic", {"lsgan": 1})[0].needs == {"real_patches", "fake_patches"}
    assert built("generator", {"lsgan": 1})[0].needs == {"fake_patches"}
    assert built("generator", {"identity": 1})[0].needs == {"x_same", "x_real"}
    assert built("generator", {"reconstruction": 1})[0].needs == {"x_rebuilt", "x_real"}
    assert built("generator", {"kl_to_normal": 1})[0].needs == {"latent_mean", "latent_log_variance"}
    assert built("generator", {"cycle": 1})[0].needs == {"x_cycle", "x_source"}
    assert built("critic", {"r1": 1})[0].needs == {"critic", "enter", "x_real", "y_real"}
    assert built("info", {"code": 1})[0].needs == {"fake_code", "code"}


@pytest.mark.parametrize(
    ("terms", "higher"),
    [
        ({"hinge": 1.0}, True),
        ({"r3gan": 1.0}, True),
        ({"simgan": 1.0, "dragan": 1.0}, False),
        ({"label_real": 1.0}, False),
    ],
)
def test_cosines_do_not_say_which_scores_are_higher(terms: dict[str, Any], higher: bool) -> None:
    recipe = Recipe().model_copy(update={"objective": objective("critic", terms)})
    assert scores_reals_higher(recipe) == higher


def test_an_unknown_term_suggests_the_nearest() -> None:
    line = refusal("generator", {"cylce": 1})
    assert "objective.generator.cylce" in line
    assert "Did you mean 'cycle'" in line
    assert "simgan" in line


def test_a_misspelt_term_at_weight_0_is_not_passed_over() -> None:
    assert "Did you mean 'cycle'" in refusal("generator", {"cylce": 0})


def test_a_term_of_another_phase_is_unknown_here() -> None:
    assert "Known: lsgan" in refusal("generator", {"r1": 1})


def test_an_unknown_option() -> None:
    line = refusal("critic", {"r1": {"gama": 3}})
    assert "no option 'gama'" in line
    assert "Did you mean 'gamma'" in line
    assert "weight, every, gamma" in line


def test_an_option_of_few_choices_is_checked_before_the_run() -> None:
    line = refusal("generator", {"reconstruction": {"likelihood": "bernouli"}})
    assert "objective.generator.reconstruction.likelihood: 'bernouli' is none of bernoulli, gaussian" in line
    assert "Did you mean 'bernoulli'" in line
    assert built("generator", {"reconstruction": {"likelihood": "gaussian", "deviation": 0.5}})


@pytest.mark.parametrize(
    ("phase", "term", "option", "value", "says"),
    [
        ("critic", "r1", "gamma", "abc", "valid number"),
        ("critic", "r1", "gamma", -1, "greater than or equal to 0"),
        ("critic", "dragan", "spread", math.nan, "finite number"),
        ("critic", "gradient_penalty", "lambda_", math.inf, "finite number"),
        ("critic", "ebgan", "margin", 0, "greater than 0"),
        ("critic", "simgan", "centre", 3, "valid boolean"),
        ("critic", "paired_information", "balance", [1], "valid number"),
        ("generator", "cycle", "shrink", 0, "greater than 0"),
        ("generator", "cycle", "shrink", 2.5, "valid integer"),
        ("generator", "mode_seeking", "eps", -1e-5, "greater than or equal to 0"),
        ("generator", "code_diversity", "ceiling", None, "valid number"),
        ("generator", "reconstruction", "deviation", 0, "greater than 0"),
    ],
)
def test_the_value_of_an_option_is_checked_before_the_run(
    phase: str, term: str, option: str, value: Any, says: str
) -> None:
    line = refusal(phase, {term: {option: value}})
    assert f"objective.{phase}.{term}.{option}: {value!r}" in line
    assert says in line


def test_yaml_writes_some_numbers_as_text() -> None:
    assert built("generator", {"mode_seeking": {"eps": "1e-3"}})[0].settings.options == {"eps": 1e-3}


def test_options_of_a_term_of_ones_own_are_checked_where_it_says_what_they_are(my_terms: types.ModuleType) -> None:
    class Curve:
        pass

    def mine(x_fake: Tensor, *, slope: float = 1.0, curve: Curve | None = None, anything=None):  # type: ignore[no-untyped-def]
        return x_fake.mean()

    my_terms.mine, name = mine, "my_terms:mine"
    assert "objective.generator." in refusal("generator", {name: {"slope": "steep"}})
    given = {"slope": 2, "curve": "any", "anything": [1]}
    assert built("generator", {name: given})[0].settings.options == given


def test_options_reach_the_function() -> None:
    term = built("critic", {"r1": {"weight": 2, "gamma": 4.0}})[0]
    w = torch.tensor([1.0, 2.0, 2.0])

    def critic(x: Tensor, label: Tensor | None) -> Tensor:
        return (x.flatten(1) * w).sum(1)

    value = term({"critic": critic, "enter": torch.clone, "x_real": torch.zeros(2, 3, 1, 1), "y_real": None})
    assert float(value) == pytest.approx(4 / 2 * 9), "the weight is the trainer's business"


def test_only_r1_and_r2_may_be_lazy() -> None:
    assert built("critic", {"r1": {"every": 4}, "r2": {"every": 2}})
    for phase, name in (("critic", "dragan"), ("critic", "lsgan"), ("generator", "cycle")):
        assert "r1 and r2 may be lazy" in refusal(phase, {name: {"every": 4}})


def test_a_lazy_term_counts_every_so_many_steps_at_so_many_times_its_weight() -> None:
    term = built("critic", {"r1": {"weight": 0.5, "every": 4}})[0]
    assert [term.weight_at(step) for step in range(9)] == [2, 0, 0, 0, 2, 0, 0, 0, 2]
    scheduled = built("critic", {"r1": {"weight": {0: 0.0, 8: 4.0}, "every": 4}})[0]
    assert [scheduled.weight_at(step) for step in (0, 3, 4, 8)] == [0, 0, 8, 16]


def test_terms_of_weight_0_are_left_out() -> None:
    assert [term.name for term in built("generator", {"lsgan": 1, "cycle": 0, "identity": 0.0})] == ["lsgan"]
    assert [term.name for term in built("generator", {"cycle": {"weight": {0: 0.0, 9: 1.0}}})] == ["cycle"]


def test_only_what_couples_the_batch_says_so() -> None:
    coupling = {
        (phase, name) for phase, terms in TERMS.items() for name in terms if built(phase, {name: 1})[0].couples_batch
    }
    both = {
        (phase, name) for phase in ("critic", "generator") for name in ("simgan", "relativistic_average", "softmax")
    }
    alone = {("generator", "pulling_away"), ("generator", "mode_seeking"), ("critic", "paired_information")}
    few = {("critic", "label_known"), ("critic", "label_as_is")}
    assert coupling == both | alone | few


# --- evaluation -------------------------------------------------------------------------------------------------------


def test_fields_of_view_are_averaged() -> None:
    term = built("generator", {"lsgan": 1})[0]
    small, large = torch.full((2, 64), 3.0), torch.full((2, 4), -1.0)
    alone = [float(term({"fake_patches": (patches,)})) for patches in (small, large)]
    assert alone == pytest.approx([2, 2])
    assert float(term({"fake_patches": (small, large, small)})) == pytest.approx(2)
    hinge = built("generator", {"hinge": 1})[0]
    assert float(hinge({"fake_patches": (small, large)})) == pytest.approx(-1), "a field each, whatever its patches"


def test_nothing_but_the_needs_is_looked_at() -> None:
    class Strict(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            raise AssertionError(f"nobody asked for {name}")

    y = torch.tensor([0, 1])
    have = Strict(fake_label_logits=torch.zeros(2, 2), y_target=y)
    assert float(built("info", {"label_fake": 1})[0](have)) == pytest.approx(0.6931, abs=1e-4)


# --- of your own ------------------------------------------------------------------------------------------------------


def test_a_term_of_your_own_gets_what_it_asks_for(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "terms_on_a_path.py").write_text(
        "def brightness(x_fake, x_source, *, strength=1.0, power=2):\n"
        "    return strength * (x_fake.mean() - x_source.mean()).abs() ** power\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    term = built("generator", {"terms_on_a_path:brightness": {"weight": 2, "strength": 3.0}})[0]
    assert term.needs == {"x_fake", "x_source"}
    value = term({"x_fake": torch.full((2, 3), 0.5), "x_source": torch.zeros(2, 3)})
    assert float(value) == pytest.approx(3 * 0.25)
    assert term.weight_at(0) == 2


def test_a_term_of_your_own_sees_patches_a_field_at_a_time(my_terms: types.ModuleType) -> None:
    seen = []

    def spy(real_patches: Tensor, fake_patches: Tensor, y_target: Tensor) -> Tensor:
        seen.append((tuple(real_patches.shape), tuple(fake_patches.shape), y_target.tolist()))
        return fake_patches.mean()

    my_terms.spy = spy  # type: ignore[attr-defined]
    term = built("generator", {"my_terms:spy": 1})[0]
    patches = (torch.zeros(2, 64), torch.ones(2, 16))
    value = term({"real_patches": patches, "fake_patches": patches, "y_target": torch.tensor([1, 0])})
    assert seen == [((2, 64), (2, 64), [1, 0]), ((2, 16), (2, 16), [1, 0])]
    assert float(value) == 0.5


@pytest.mark.parametrize("phase", ["critic", "generator"])
def test_simgan_skips_a_view_of_a_single_score(phase: str) -> None:
    """The style head gives each picture one score: a cosine has nothing to compare in it."""
    term = built(phase, {"simgan": 1})[0]
    torch.manual_seed(0)
    real, fake, y = torch.randn(4, 16), torch.randn(4, 16), torch.tensor([0, 0, 1, 1])
    have = {"real_patches": (real,), "fake_patches": (fake,), "y_real": y}
    with_one = {"real_patches": (real, real[:, :1]), "fake_patches": (fake, fake[:, :1]), "y_real": y}
    assert float(term(with_one)) == float(term(have))
    with pytest.raises(UsageError, match="says nothing"):
        term({"real_patches": (real[:, :1],), "fake_patches": (fake[:, :1],), "y_real": y})


def test_a_term_of_your_own_may_be_lazy_and_may_couple_the_batch(my_terms: types.ModuleType) -> None:
    def fn(x_fake: Tensor) -> Tensor:
        return x_fake.mean()

    fn.couples_batch = True  # type: ignore[attr-defined]
    my_terms.fn = fn  # type: ignore[attr-defined]
    term = built("generator", {"my_terms:fn": {"every": 3}})[0]
    assert term.couples_batch
    assert [term.weight_at(step) for step in range(4)] == [3, 0, 0, 3]


def test_a_term_that_asks_for_what_no_pass_has(my_terms: types.ModuleType) -> None:
    my_terms.fn = lambda x_fake, moonlight: x_fake.mean()  # type: ignore[attr-defined]
    line = refusal("generator", {"my_terms:fn": 1})
    assert "'moonlight', which no pass has" in line
    assert "x_fake" in line
    given = built("generator", {"my_terms:fn": {"moonlight": 3}})[0]
    assert given.settings.options == {"moonlight": 3}, "an option without a default must be given"


def test_terms_that_cannot_be_imported(my_terms: types.ModuleType, tmp_path: Any, monkeypatch: Any) -> None:
    (tmp_path / "broken_terms.py").write_text("def fn(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    my_terms.number = 3  # type: ignore[attr-defined]
    for name in ("no_such_module_here:fn", "my_terms:missing", "broken_terms:fn", ":fn"):
        line = refusal("generator", {name: 1})
        assert f"objective.generator.{name}" in line
        assert "PYTHONPATH" in line
    assert "is not a function" in refusal("generator", {"my_terms:number": 1})


def test_a_recipe_runs_no_other_function(my_terms: types.ModuleType) -> None:
    """Recipes come from others; what they name is called."""
    for name in ("subprocess:getoutput", "os:system", "os.path:exists", "builtins:exec"):
        assert "a module of Python itself" in refusal("generator", {name: {"cmd": "true"}})
    my_terms.remove = lambda path: None  # type: ignore[attr-defined]
    assert "asks for nothing that a pass has" in refusal("generator", {"my_terms:remove": {"path": "."}})
    my_terms.unknown = dict.fromkeys  # type: ignore[attr-defined]
    assert "asks for" in refusal("generator", {"my_terms:unknown": 1})


@pytest.mark.parametrize(
    ("returned", "what"), [(torch.zeros(3), "a tensor (3,)"), (0.5, "float"), (None, "NoneType"), ("text", "str")]
)
@pytest.mark.parametrize("asks", ["x_fake", "fake_patches"])
def test_a_loss_is_one_number(my_terms: types.ModuleType, asks: str, returned: Any, what: str) -> None:
    fn: dict[str, Any] = {"x_fake": lambda x_fake: returned, "fake_patches": lambda fake_patches: returned}
    my_terms.fn = fn[asks]  # type: ignore[attr-defined]
    (term,) = built("generator", {"my_terms:fn": 1})
    with pytest.raises(UsageError, match=r"my_terms:fn returned .*one number") as caught:
        term({"x_fake": torch.zeros(2), "fake_patches": (torch.zeros(2, 4),)})
    assert what in str(caught.value)


def test_settings_are_what_the_recipe_says() -> None:
    term = built("generator", {"cycle": {"weight": {0: 10.0, 10: 0.0}}})[0]
    assert isinstance(term.settings, TermSettings)
    assert [term.weight_at(step) for step in (0, 5, 10)] == [10, 5, 0]


def test_what_a_term_needs_is_asked_for_in_an_order_that_does_not_depend_on_the_process() -> None:
    """Each need may be a message between processes; a set of names has another order in each of them."""
    asked: list[str] = []

    class Have(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            asked.append(name)
            return super().__getitem__(name)

    scores = (torch.rand(4, 9),)
    have = Have(real_patches=scores, fake_patches=scores, y_real=torch.tensor([0, 0, 1, 1]))
    for term in build_terms(Objective.model_validate({"generator": {"simgan": 1.0}}))["generator"]:
        term(have)
    assert asked == sorted(asked)
    assert len(asked) == 3
