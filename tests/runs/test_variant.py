"""Names for people, records for programs."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparse_rl.runs.variant import DENSE, Variant

NAMES = st.text("abcdefgh_", min_size=1, max_size=8)
SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        (DENSE, "0"),
        (Variant(sparsity=0.9), "0.9"),
        (Variant(sparsity=0.98, arithmetic="int8"), "0.98-int8"),
        (Variant(arithmetic="int8w"), "0-int8w"),
        (Variant("rigl", 0.9, arithmetic="int8"), "rigl-0.9-int8"),
        (Variant(sparsity=0.9, critic_sparsity=0.5), "0.9-critics0.5"),
    ],
)
def test_names(variant: Variant, name: str) -> None:
    assert variant.name == name


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.builds(Variant, NAMES, SHARES, SHARES, NAMES))
def test_a_variant_comes_back_from_json(variant: Variant) -> None:
    assert Variant.from_mapping(json.loads(json.dumps(variant.to_mapping()))) == variant


def test_a_record_of_an_older_run_has_empty_settings() -> None:
    values = {"method": "rigl", "sparsity": 0.9, "arithmetic": "int8", "settings": {}}
    assert Variant.from_mapping(values) == Variant("rigl", 0.9, arithmetic="int8")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sparsity": "0.9"}, r"^sparsity: found '0\.9'; allowed: a number from 0 to 1$"),
        ({"sparsity": True}, r"^sparsity: found True"),
        ({"critic_sparsity": 2}, r"^critic_sparsity: found 2; allowed: a number from 0 to 1$"),
        ({"arithmetic": ["int8"]}, r"^arithmetic: found \['int8'\]; allowed: a name$"),
        ({"settings": {"rank": 1}}, r"^settings: unknown; allowed: method, sparsity, "),
        ({"rank": 1}, r"^rank: unknown; allowed: method, sparsity, "),
        ([1], r"^found list; allowed: a mapping$"),
    ],
)
def test_damaged_records_are_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Variant.from_mapping(values)
