"""Code of issues for Django and Sphinx, run on small projects that use the real ones."""

import subprocess

import pytest

from retrieval.gitio import Git
from swebench.patches.diffs import unified_diff
from swebench.running.reproduction import Reproduction
from swebench.running.stages import MAX_BYTES, staged
from tests.swebench.conftest import HERE

SHOP = """\
def half(n):
    return n // 2


def setup(app):
    from docutils.nodes import emphasis

    app.add_role("half", lambda name, raw, text, *_: ([emphasis("", str(half(int(text))))], []))
"""


@pytest.fixture
def on(tmp_path):
    """The code of an issue on a package `shop`, and a patch of that."""
    folder = tmp_path / "project"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop/__init__.py").write_text(SHOP)
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "start"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    git = Git(folder / ".git")
    head = git("rev-parse", "HEAD").decode().strip()
    return lambda issue: Reproduction(issue, git, head, ["shop"], 60, {}.get, HERE)


def patched(old, new):
    return unified_diff("shop/__init__.py", SHOP, SHOP.replace(old, new))


MODELS = """\
Half of a size is cut off
Given these models
class Item(models.Model):
	size = models.IntegerField()
	def half(self):
		return half(self.size)
class Box(models.Model):
	items = models.ManyToManyField(Item)
"""


def test_models_of_an_issue_have_tables(on):
    issue = MODELS + ">>> Item.objects.create(size=3).half()\n1\n\nI expected 1.5.\n"
    found = on(issue)
    assert found.usable
    assert found.outcome(patched("//", "/")) == "expected"


def test_a_package_of_the_repository_is_not_hidden_by_an_app_of_its_name(on):
    issue = MODELS.replace("then", "") + "in shop.models\n>>> Item.objects.create(size=half(7)).half()\n1\n"
    found = on(issue + "I expected 1.75.\n")
    assert found.usable
    assert found.outcome(patched("//", "/")) != "broken"


def test_tests_of_an_issue_are_run_and_passing_is_what_is_expected(on):
    case = "class HalfTests(TestCase):\n\tdef test_half(self):\n"
    case += "\t\tfrom deep.app.models import Item\n\t\titem = Item.objects.create(size=3)\n"
    found = on(MODELS + "then\n" + case + "\t\tself.assertEqual(Item.objects.get().half(), 1.5)\n")
    assert found.usable
    assert found.outcome(patched("//", "/")) == "expected"
    assert found.outcome(patched("//", "*")) == "unchanged"


def test_what_django_says_of_models_shows_the_fault(on):
    issue = """\
This model is refused.
class Item(models.Model):
	name = models.CharField(max_length=half(3) - 1)
The check says: (fields.E121) 'max_length' must be a positive integer.
"""
    found = on(issue)
    assert found.usable
    assert found.outcome(patched("n // 2", "n // 2 + 5")) == "expected"


def test_a_model_of_users_is_the_one_that_is_checked(on):
    issue = """\
This model is refused.
from django.contrib.auth.models import AbstractBaseUser
class Person(AbstractBaseUser):
	name = models.CharField(max_length=30, unique=half(3) == 1.5)
	USERNAME_FIELD = "name"
shop.Person: (auth.E003) 'Person.name' must be unique because it is named as the 'USERNAME_FIELD'.
"""
    found = on(issue)
    assert found.usable
    assert found.outcome(patched("//", "/")) == "expected"


def test_a_migration_is_shown_where_the_issue_speaks_of_one(on):
    issue = """\
Migrations are wrong.
class Outer(object):
	class Inner(models.CharField):
		pass
class A(models.Model):
	field = Outer.Inner(max_length=half(40))
makemigrations writes
	('field', test1.models.Outer.Inner(max_length=20)),
"""
    assert on(issue).usable


@pytest.mark.parametrize("configured", ["from django.conf import settings\nsettings.configure()\n"])
def test_code_that_sets_django_up_itself_is_left_alone(configured):
    issue = f"{configured}from django.template import Template\n"
    assert [cell.source for cell in staged(issue, ["django"])] == issue.splitlines(keepends=True)


def test_a_page_for_sphinx_is_built_with_the_settings_and_the_module_of_the_issue(on):
    issue = """\
The half role of Sphinx is wrong

conf.py:
```python
extensions = ["shop"]
```
```rst
Here is :half:`3` of it.
```
This is rendered as
```html
<p>Here is <em>1</em> of it.</p>
```
and should be `<p>Here is <em>1.5</em> of it.</p>`
"""
    found = on(issue)
    assert found.usable
    assert found.outcome(patched("//", "/")) == "expected"


def test_functions_that_an_issue_shows_are_documented_where_it_speaks_of_that(on):
    issue = """\
Sphinx: autodoc loses defaults
```python
def twice(n=2):
    "Doubles its argument."
```
autodoc gives `<p>Doubles its argument.</p>`
"""
    assert on(issue).usable


def test_test_functions_are_called():
    issue = "```python\ndef test_half():\n    assert half(3) == 1.5\n\ndef test_with(fixture): ...\n```\n"
    assert [(cell.source, cell.role) for cell in staged(issue, [])][1:] == [("test_half()\n", "test")]


@pytest.mark.parametrize(
    ("text", "app"),
    [
        ("from django.contrib.auth.models import User", "issue"),
        ("django.db.models.fields and test1.models.A", "test1"),
        ("my/app.models auth.models.User", "issue"),
        ("from deep.app.models import A", "deep.app"),
    ],
)
def test_the_app_is_the_one_that_the_issue_names(text, app):
    cells = staged(f"{text}\nclass A(models.Model):\n    pass\n", [])
    assert f"_django['enter'](globals(), {app!r})" in cells[1].source


def test_relative_imports_of_an_app_lead_to_the_models_of_the_issue():
    above = "from ..models import A\nfrom . import models\n"
    issue = f"from django.db import models\n{above}from app.models import B\n"
    cells = [cell.source for cell in staged(issue, []) if cell.role == "shown"]
    assert cells[1:3] == ["from app.models import A\n", "from app import models\n"]


def test_code_that_is_too_long_for_a_command_is_run_in_part(on):
    long = "```python\nhalf(3)\n```\n" + ("```python\nx = '" + "中" * 2_000 + "'\n```\n") * 24
    issue = "```python\n1 / half(0)\n```\nZeroDivisionError\n" + long
    assert on(issue).usable
    assert sum(len(cell.source.encode()) for cell in staged(issue, [])) < MAX_BYTES
