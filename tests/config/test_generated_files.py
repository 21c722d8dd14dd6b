import pytest

from docs.build import GENERATED, ROOT


@pytest.mark.parametrize("path", sorted(GENERATED))
def test_a_generated_file_is_fresh(path: str) -> None:
    """`python -m docs.build` writes it again."""
    assert (ROOT / path).read_text(encoding="utf-8") == GENERATED[path]()
