"""A Django project of one app for the code of an issue: its settings and tables, and what Django says.

Runs in the repository's environment beside the code, on Python 3.6 or later; nothing of this project is
imported here, and Django only when it is asked for. `stages` says where in the code the functions are called.
"""

import contextlib
import importlib
import importlib.machinery
import importlib.util
import sys
import tempfile
import types
from typing import Any

CONTRIB = ("contenttypes", "auth", "sessions", "messages", "admin")
"""The apps of Django's own that are there beside the issue's."""
_IMPLIED = (
    ("django.db", "connection connections migrations models transaction IntegrityError"),
    ("django.db.models", "*"),
    ("django", "forms"),
    ("django.contrib", "admin"),
    ("django.contrib.auth.models", "*"),
    ("django.contrib.auth", "authenticate get_user_model"),
    ("django.core.exceptions", "*"),
    ("django.http", "*"),
    ("django.template", "Context Engine Template"),
    ("django.test", "Client RequestFactory SimpleTestCase TestCase override_settings"),
    ("django.urls", "include path re_path reverse"),
    ("django.utils", "timezone"),
    ("django.utils.decorators", "method_decorator"),
    ("django.utils.safestring", "mark_safe"),
    ("django.utils.translation", "gettext gettext_lazy"),
    ("django.views", "View"),
    ("django.conf", "settings"),
    ("decimal", "Decimal"),
    ("datetime", "timedelta"),
)  # fmt: skip
"""What issues leave out: a module and some of its names."""
_made: "dict[str, Any]" = {}


def enter(names: "dict[str, Any]", app: str) -> None:
    """Set Django up, with the names as those of the module `models` of an app.

    Where there is a module of the app's name already, it is called `issue`. Where Django is not to be had, or
    cannot be set up, the names are all that changes.
    """
    if app.split(".", maxsplit=1)[0] in sys.modules or importlib.util.find_spec(
        app.split(".", maxsplit=1)[0]
    ):
        app = "issue"
    module = _Names(names, app + ".models")
    parts = app.split(".")
    packages = [types.ModuleType(".".join(parts[: n + 1])) for n in range(len(parts))]
    vars(packages[-1])["models"] = module
    for made in [*packages, module]:
        made.__spec__ = importlib.machinery.ModuleSpec(made.__name__, None)
        made.__path__ = [tempfile.mkdtemp()]
        sys.modules[made.__name__] = made
    with contextlib.suppress(Exception):
        importlib.import_module("django.conf").settings.configure(**_settings(app))
        importlib.import_module("django").setup()
    names.update({"__name__": app + ".models", "__package__": app})
    for origin, wanted in _IMPLIED:
        with contextlib.suppress(Exception):
            found = importlib.import_module(origin)
            public = getattr(found, "__all__", None) or [name for name in vars(found) if name[:1] != "_"]
            for name in public if wanted == "*" else wanted.split():
                names.setdefault(name, getattr(found, name, None))
    for name in ("datetime", "json", "uuid"):
        names.setdefault(name, importlib.import_module(name))
    names.setdefault("_", names.get("gettext_lazy"))
    names.setdefault("urlpatterns", [])


def settle(names: "dict[str, Any]") -> None:
    """Take over the settings and the model of users that the code has, and make the tables of new models."""
    with contextlib.suppress(Exception):
        settings = importlib.import_module("django.conf").settings
        for name, value in list(names.items()):
            if name.isupper() and isinstance(value, (bool, int, str)) and hasattr(settings, name):
                setattr(settings, name, value)
        apps = importlib.import_module("django.apps").apps
        connection = importlib.import_module("django.db").connection
        user = importlib.import_module("django.contrib.auth.base_user").AbstractBaseUser
        for model in apps.get_models():
            if issubclass(model, user) and model._meta.app_label not in CONTRIB:
                settings.AUTH_USER_MODEL = model._meta.label
            table = model._meta.db_table
            if model._meta.managed and not model._meta.proxy and _made.get(table) is not model:
                with contextlib.suppress(Exception), connection.schema_editor() as editor:
                    if table in _made:
                        editor.delete_model(_made.pop(table))
                    editor.create_model(model)
                    _made[table] = model


def say(names: "dict[str, Any]", what: str) -> None:
    """Print what Django makes of the models: its `checks`, the app's first `migration`, or its `tables`."""
    django = importlib.import_module
    label = names["__package__"].rpartition(".")[2]
    own = list(django("django.apps").apps.get_app_config(label).get_models())
    if what == "checks":
        for message in django("django.core.checks").run_checks():
            print(f"({message.id}) {message.msg}")
    elif what == "migration":
        state = django("django.db.migrations.state").ProjectState
        loader = django("django.db.migrations.autodetector").MigrationAutodetector
        changes = loader(state(), state.from_apps(django("django.apps").apps))._detect_changes()
        for migration in changes.get(label, ()):
            for operation in migration.operations:
                print(django("django.db.migrations.writer").OperationWriter(operation).serialize()[0])
    else:
        with django("django.db").connection.schema_editor(collect_sql=True) as editor:
            for model in own:
                editor.create_model(model)
        print("\n".join(editor.collected_sql))


class _Names(types.ModuleType):
    """A module whose names are those of a dictionary."""

    def __init__(self, names: "dict[str, Any]", name: str) -> None:
        super().__init__(name)
        self._names = names

    def __getattr__(self, name: str) -> "Any":
        try:
            return self._names[name]
        except KeyError:
            raise AttributeError(name) from None


def _settings(app: str) -> "dict[str, Any]":
    processors = ["debug", "request"]
    return {
        "INSTALLED_APPS": ["django.contrib." + name for name in CONTRIB] + [app],
        "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": ["django.template.context_processors." + n for n in processors]
                    + ["django.contrib.auth.context_processors.auth"]
                    + ["django.contrib.messages.context_processors.messages"]
                },
            }
        ],
        "MIDDLEWARE": [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        "SECRET_KEY": "of an issue",
        "ALLOWED_HOSTS": ["*"],
        "ROOT_URLCONF": app + ".models",
        "DEFAULT_AUTO_FIELD": "django.db.models.AutoField",
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        "USE_TZ": False,
    }
