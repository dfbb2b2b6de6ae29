"""The cards: complete, consistent, and found by name."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from domainxfer.datasets.card import Card, list_cards, load_card
from domainxfer.errors import UsageError

CYCLEGAN = [
    *("apple2orange", "cezanne2photo", "facades", "horse2zebra", "iphone2dslr_flower", "maps", "monet2photo"),
    *("summer2winter_yosemite", "ukiyoe2photo", "vangogh2photo"),
]


def test_all_cards_are_there() -> None:
    assert list_cards() == sorted(
        [*CYCLEGAN, "painters", "mnist", "stacked-mnist", "faces", "mazes", "coloured-mazes", "emoji", "demo"]
    )


@pytest.mark.parametrize("name", list_cards())
def test_every_card_reads_and_says_what_one_needs_to_know(name: str) -> None:
    card = load_card(name)
    assert card.name == name
    assert card.title
    assert card.licence
    assert card.citation
    if card.mode == "translate":
        assert len(card.domains) >= 2
    assert card.sources or card.bring or card.origins != (name,) or card.kind == "rendered", (
        "no way to come by the data"
    )
    for text in (card.title, card.licence, card.citation, card.note, card.bring):
        assert "\n" not in text, "one line each, since they are printed in a line"


@pytest.mark.parametrize("name", CYCLEGAN)
def test_cyclegan_cards(name: str) -> None:
    card = load_card(name)
    assert tuple(card.names) == ("A", "B")
    assert tuple(card.names.values()) == card.domains
    assert set(card.counts) == {"trainA", "trainB", "testA", "testB"}
    first, second = card.sources
    assert first.format == "zip"
    assert first.sha256
    assert first.bytes
    assert first.url.endswith(f"/{name}.zip")
    assert second.format == "hub-parquet"
    assert f"huggan/{name}/" in second.url


def test_painters_take_each_domain_from_one_place() -> None:
    card = load_card("painters")
    taken = [(part.card, domain) for part in card.parts for domain in part.domains]
    assert sorted(domain for _, domain in taken) == sorted(card.domains)
    for name, domain in taken:
        assert domain in load_card(name).domains
    # The archives hold the same photographs: from one of them only, else one could be in train here and in test there.
    assert [name for name, domain in taken if domain == "photo"] == ["monet2photo"]


def test_a_domain_taken_twice_is_refused() -> None:
    good = {"title": "x", "mode": "translate", "kind": "parts", "domains": ["a", "b"], "licence": "x", "citation": "x"}
    parts = [{"card": "one", "domains": ["a", "b"]}, {"card": "two", "domains": ["b"]}]
    Card.model_validate({"name": "x", **good, "parts": parts[:1]})
    with pytest.raises(ValidationError, match="exactly one part"):
        Card.model_validate({"name": "x", **good, "parts": parts})
    with pytest.raises(ValidationError, match="go together"):
        Card.model_validate({"name": "x", **good})


def test_stacked_digits_say_whose() -> None:
    good = {"name": "x", "title": "x", "mode": "generate", "licence": "x", "citation": "x"}
    assert Card.model_validate({**good, "kind": "stacked", "of": "mnist"}).origins == ("mnist",)
    for wrong in ({"kind": "stacked"}, {"kind": "loose", "of": "mnist"}):
        with pytest.raises(ValidationError, match="go together"):
            Card.model_validate({**good, **wrong})
    assert load_card("painters").origins == ("monet2photo", "vangogh2photo", "cezanne2photo", "ukiyoe2photo")
    assert load_card("mnist").origins == ("mnist",)


def test_names_must_lead_to_domains_and_fields_be_known() -> None:
    good = {"name": "x", "title": "x", "mode": "translate", "kind": "folders", "licence": "x", "citation": "x"}
    with pytest.raises(ValidationError, match="does not have"):
        Card.model_validate({**good, "domains": ["a"], "names": {"A": "b"}})
    with pytest.raises(ValidationError, match="licnce"):
        Card.model_validate({**good, "licnce": "x"})
    with pytest.raises(ValidationError, match="sha256"):
        Card.model_validate({**good, "sources": [{"url": "x", "format": "zip", "sha256": "abc"}]})


def test_unknown_card() -> None:
    with pytest.raises(UsageError, match="Did you mean 'horse2zebra'"):
        load_card("horse2zerba")
    with pytest.raises(UsageError, match="Known: apple2orange"):
        load_card("../../secrets")


def test_cards_and_folders_need_no_torch() -> None:
    code = "import sys, domainxfer.datasets, domainxfer.datasets.card; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
