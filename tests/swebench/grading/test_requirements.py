import pytest

from swebench.errors import EnvironmentUnavailable
from swebench.grading.requirements import conda_requirements, requirement_lines

CONDA = """\
name: testbed
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.9
  - numpy>=1.20 # a comment
  - dask-core
  - pandas=1.5
  - scipy = 1.7.3=py39h_0
  - "conda-forge::netcdf4 >1.5"
  - pip:
    - pytest-cov==4.0
    - mpl[extra] >= 1, < 2
"""


def test_comments_options_and_local_paths_are_no_requirements():
    text = "# a\n\nasgiref >= 3.2  # b\n-r other.txt\n-e .\n./local\npylibmc; sys.platform != 'win32'\n"
    assert requirement_lines(text) == ["asgiref >= 3.2", "pylibmc; sys.platform != 'win32'"]


def test_the_fragment_of_an_address_is_not_a_comment():
    assert requirement_lines("a @ https://example.org/a.zip#egg=a") == ["a @ https://example.org/a.zip#egg=a"]


def test_condas_dependencies_get_pips_names_and_limits():
    assert conda_requirements(CONDA) == [
        "numpy>=1.20",
        "dask",
        "pandas==1.5.*",
        "scipy==1.7.3.*",
        "netCDF4>1.5",
        "pytest-cov==4.0",
        "mpl[extra] >= 1, < 2",
    ]


def test_what_is_not_yaml_is_said_in_one_line():
    with pytest.raises(EnvironmentUnavailable, match=r"environment\.yml is not YAML: .* line 2"):
        conda_requirements("dependencies:\n  - [numpy\n")


@pytest.mark.parametrize("text", ["", "name: a\n", "dependencies:\n", "dependencies:\n  - pip:\n"])
def test_a_file_without_dependencies_asks_for_nothing(text):
    assert conda_requirements(text) == []


def test_no_text_asks_for_nothing():
    assert requirement_lines("") == []
