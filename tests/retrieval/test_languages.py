"""The right file stands first in whatever language it and its issue are, and however few there are."""

import unicodedata

import pytest

from retrieval.mentions import mentioned_files, mentioned_symbols
from retrieval.search import Retriever

KNOTS = "# knots to metres per second for the wind gauge\nKNOT = 0.5144\nprint(KNOT * 10)\n"
WIND = "Wind gauge knots conversion is wrong\n\nThe wind gauge shows knots, KNOT is off.\n"
TABLE = "TABLE = {'a': 1}\nprint(TABLE)\n"


def hits(workshop, tmp_path, files, issue):
    project = workshop()
    project.commit(files)
    return Retriever(project.repository(), tmp_path / "index").search("HEAD", issue).hits


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"beta.py": KNOTS}, "beta.py"),
        ({"alpha.py": TABLE, "beta.py": KNOTS}, "beta.py"),
        ({"alpha.py": TABLE, "beta.py": KNOTS, "delta.py": "print(1)\n"}, "beta.py"),
        ({"pkg/__init__.py": "", "pkg/core.py": KNOTS}, "pkg/core.py"),
        ({"alpha.py": f"{TABLE}# wind\n", "beta.py": KNOTS, "delta.py": "# wind gauge\n"}, "beta.py"),
    ],
    ids=["one module", "two modules", "three modules", "a package of one", "words that all modules share"],
)
def test_the_right_file_of_a_small_repository_stands_first_with_a_score(workshop, tmp_path, files, wanted):
    found = hits(workshop, tmp_path, files, WIND)
    assert found[0].path == wanted
    assert found[0].score > 0
    assert all(hit.score >= 0 for hit in found)


LANGUAGES = {
    "Chinese": ("风速计把节换算成米每秒", "风速换算结果不对\n\n用户看到的节数和米每秒不一致。"),
    "Japanese": (
        "風速計のノットを毎秒メートルに換算する",
        "風速の換算が正しくない\n\nノットの値がずれています。",
    ),
    "Korean": (
        "풍속계의 노트를 초속 미터로 환산한다",
        "풍속 환산이 틀립니다\n\n노트는 초속으로 잘못 환산됩니다.",
    ),
    "German": (
        "Umrechnung der Windstärke: Größe in Knoten",
        "Falsche Groesse der Windstaerke\n\nBeim Windmesser.",
    ),
    "German, ASCII in the code": (
        "groesse der windstaerke",
        "Falsche Größe der Windstärke\n\nBeim Windmesser.",
    ),
    "Hindi": ("हवा की गति को नॉट से मीटर में बदलता है", "हवा की गति गलत है\n\nनॉट का मान ठीक नहीं।"),
    "Tamil": ("காற்றின் வேகம் மாற்றி", "காற்றின் வேகம் தவறு"),
    "Thai": ("แปลงความเร็วลมจากนอต", "ความเร็วลมไม่ถูกต้อง"),
    "Russian": ("Перевод узлов в метры в секунду", "Неверный перевод узлов"),
    "Vietnamese": ("đổi tốc độ gió từ nút", "Tốc độ gió bị sai"),
}
OTHER = {
    "Chinese": "打印用户的报表标题",
    "Japanese": "利用者の表の見出しを印刷する",
    "Korean": "사용자 표의 제목을 인쇄한다",
    "Hindi": "उपयोगकर्ता की तालिका का शीर्षक छापता है",
    "Tamil": "பயனர் அட்டவணை தலைப்பு",
    "Thai": "พิมพ์หัวตารางของผู้ใช้",
}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_comments_of_any_language_are_found_by_issues_in_it(workshop, tmp_path, language, form):
    comment, issue = LANGUAGES[language]
    other = OTHER.get(language, "prints the title of a table")
    files = {"aaa.py": f"# {other}\nprint(2)\n", "bbb.py": f"# {comment}\nprint(1)\n"}
    found = hits(workshop, tmp_path, files, unicodedata.normalize(form, issue))
    assert found[0].path == "bbb.py"
    assert found[0].score > 2 * found[1].score


def test_a_file_is_read_in_the_encoding_that_it_declares(workshop, tmp_path):
    latin = "# -*- coding: latin-1 -*-\n# Größe der Windstärke\nprint(1)\n".encode("latin-1")
    found = hits(workshop, tmp_path, {"aaa.py": TABLE, "bbb.py": latin}, "Windstärke falsch")
    assert found[0].path == "bbb.py"


def test_names_that_stand_on_to_a_script_without_spaces_are_found_in_it():
    text = "调用get_user函数时src/app.py出错，见django.db.models模块，计算利率()"
    assert {"get_user", "计算利率"} <= mentioned_symbols(text)
    paths = ["src/app.py", "django/db/models.py", "lib/app.py"]
    assert mentioned_files(text, paths, {"django.db.models": 1}) == {0: 1.0, 1: 1.0}


def test_names_and_paths_are_found_in_whatever_form_their_marks_are_written():
    decomposed = unicodedata.normalize("NFD", "Fehler in maße/größe.py bei prüfe_größe()")
    assert "prüfe_größe" in mentioned_symbols(decomposed)
    assert mentioned_files(decomposed, ["maße/größe.py"], {}) == {0: 1.0}
    assert mentioned_files("maße/größe.py", [unicodedata.normalize("NFD", "maße/größe.py")], {}) == {0: 1.0}
