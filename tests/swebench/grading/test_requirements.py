import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    text = "# a\n\nasgiref >= 3.2  # b\n-r other.txt\n-e .\n./local\n/srv/local\n \n"
    text += "pylibmc; sys.platform != 'win32'\n"
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


@pytest.mark.parametrize(
    ("entry", "requirement"),
    [
        ("NumPy", "NumPy"),
        ("x.y-z_1", "x.y-z_1"),
        ("defaults::zlib", "zlib"),
        ("conda-forge.x::numpy=1", "numpy==1.*"),
        ("numpy=1.20.*", "numpy==1.20.*"),
        ("numpy=1.20*", "numpy==1.20.*"),
        ("numpy=1.7.3=py39h_0", "numpy==1.7.3.*"),
        ("numpy = 1.7.3 py39h_0", "numpy==1.7.3.*"),
        ("numpy 1.20", "numpy==1.20.*"),
        ("numpy 1.20 py39h_0", "numpy==1.20.*"),
        ("numpy==1.20", "numpy==1.20"),
        ("numpy!=1.20", "numpy!=1.20"),
        ("numpy ~= 1.20", "numpy~=1.20"),
        ("numpy<2", "numpy<2"),
        ("numpy >=1.20, <2", "numpy>=1.20,<2"),
        ("iris", "scitools-iris"),
        ("matplotlib-base>=3", "matplotlib>=3"),
        ("pytables", "tables"),
    ],
)
def test_a_dependency_of_conda_s_is_one_requirement_of_pip_s(entry, requirement):
    assert conda_requirements(f"dependencies: ['{entry}']") == [requirement]


@pytest.mark.parametrize(
    "entry", ["python", "Python >=3.6", "pip", "pip=20", "_libgcc_mutex", "a|b", "", "-c x"]
)
def test_python_pip_and_what_pip_could_not_name_are_no_requirements(entry):
    assert conda_requirements(f"dependencies: ['{entry}', numpy]") == ["numpy"]


VERSIONS = st.lists(st.integers(0, 99), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))


@given(VERSIONS, st.sampled_from(["=", " = ", " ", "= "]), st.sampled_from(["", ".*", "*"]))
def test_any_way_to_write_a_fixed_version_means_all_that_begin_with_it(version, between, star):
    text = f'dependencies:\n  - "numpy{between}{version}{star}"\n'
    assert conda_requirements(text) == [f"numpy=={version}.*"]


def test_a_version_that_looks_like_a_number_or_a_date_stays_as_it_is_written():
    text = "x: 2001-99-99\ndependencies:\n  - 3.10\n  - 2001-99-99\n  - pip: [1.10]\n"
    assert conda_requirements(text) == ["3.10", "2001-99-99", "1.10"]


@pytest.mark.parametrize(
    "text",
    [
        "3",
        "- numpy\n",
        "dependencies: numpy\n",
        "dependencies:\n  - pip: numpy\n  - [a]\n  - pip: [[a], {}]\n",
    ],
)
def test_a_document_of_another_shape_asks_for_nothing(text):
    assert conda_requirements(text) == []


def test_a_document_that_is_too_deep_is_said_in_one_line():
    with pytest.raises(
        EnvironmentUnavailable, match=r"^its environment\.yml is not YAML: [^\n]*recursion[^\n]*$"
    ):
        conda_requirements("[" * 600)


def test_what_is_not_yaml_is_said_in_one_line():
    with pytest.raises(
        EnvironmentUnavailable, match=r"^its environment\.yml is not YAML: \S[^\n]* line 2[^\n]*$"
    ):
        conda_requirements("dependencies:\n  - [numpy\n")


@pytest.mark.parametrize("text", ["", "name: a\n", "dependencies:\n", "dependencies:\n  - pip:\n"])
def test_a_file_without_dependencies_asks_for_nothing(text):
    assert conda_requirements(text) == []


def test_no_text_asks_for_nothing():
    assert requirement_lines("") == []
