from swebench.grading.nearest import nearest_tests
from swebench.patches.trees import Scratch
from tests.swebench.conftest import opened

FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": "VAT = 0.2\n",
    "shop/basket.py": "from shop.prices import VAT\n",
    "tests/test_prices.py": "from shop.prices import VAT\n\n\ndef test_vat():\n    assert VAT\n",
    "tests/test_basket.py": "import shop.basket\n",
    "tests/test_all.py": "from shop import (\n    basket,\n    prices,\n)\n",
    "tests/helpers.py": "from shop.prices import VAT\n",
    "tests/test_other.py": "import json\n",
}


def near(make_repository, files, changed):
    folder, base = make_repository(files)
    with Scratch(opened(folder), base) as scratch:
        return nearest_tests(scratch, changed)


def test_a_test_named_for_the_module_comes_before_one_that_only_imports_it(make_repository):
    assert near(make_repository, FILES, ["shop/prices.py"]) == ["tests/test_prices.py", "tests/test_all.py"]


def test_at_most_a_few_are_chosen(make_repository):
    many = FILES | {f"tests/test_prices_{n}.py": "from shop.prices import VAT\n" for n in range(9)}
    found = near(make_repository, many, ["shop/prices.py"])
    assert len(found) == 3 and found[0] == "tests/test_prices.py"


def test_every_changed_module_has_a_say(make_repository):
    found = near(make_repository, FILES, ["shop/basket.py", "shop/prices.py"])
    assert set(found) == {"tests/test_basket.py", "tests/test_prices.py", "tests/test_all.py"}


def test_packages_under_src_are_found_by_their_import_name(make_repository):
    moved = {name.replace("shop/", "src/shop/"): text for name, text in FILES.items()}
    assert near(make_repository, moved, ["src/shop/prices.py"])[0] == "tests/test_prices.py"


def test_nothing_is_near_to_a_file_that_no_test_speaks_of(make_repository):
    assert near(make_repository, FILES, ["docs/index.rst"]) == []
