"""The made-up cohort fits the assignment, its marks fit the rubric, its files give its answers back; and nothing private leaves with the assignment."""
import json, re

import pytest
import yaml

from alpaca_course.grading import cohort as c
from alpaca_course.grading.assignment import find_assignment, read_assignment
from alpaca_course.statistics import wilson

READING = read_assignment(find_assignment("reading"))
PUPILS = c.read_cohort()
HOME = READING.path.parent if READING.path.is_file() else READING.path


def test_who_is_there():
    assert len(PUPILS) == 60 and len({p.id for p in PUPILS}) == 60 and len({p.name for p in PUPILS}) == 60
    assert {p.format for p in PUPILS} == set(c.FORMATS) | {"notebook", "quiz"}
    names = [q.name for q in READING.questions]
    assert all(list(p.answers) == names and set(p.marks) == {(g, n) for g in "ab" for n in names} for p in PUPILS)
    roster = (c.cohort_folder() / "roster.csv").read_text().splitlines()
    assert roster == ["id,name"] + [f"{p.id},{p.name}" for p in PUPILS]


def test_marks_fit_the_rubric():
    for q in READING.questions:
        for p in PUPILS:
            for g in "ab": assert 0 <= c.points_of(q, p.marks[g, q.name]) <= q.points and "other" not in p.marks[g, q.name]
            if not p.answers[q.name]: assert p.marks["a", q.name] == p.marks["b", q.name] == ()
            if p.marks["a", q.name] != p.marks["b", q.name]: assert p.why["a", q.name], (p.id, q.name)


def test_graders_disagree_in_places_and_mostly_agree():
    differ = sum(p.marks["a", q.name] != p.marks["b", q.name] for p in PUPILS for q in READING.questions)
    print(f"\nmarked differently: {wilson(differ, 60 * len(READING.questions))}")
    assert .1 < differ / (60 * len(READING.questions)) < .4
    for q in READING.questions:
        k = c.kappa_interval(*c.grades(q, PUPILS), draws=200)
        assert .5 < k.low <= k.estimate < 1 and k.n == 60


def test_weighted_kappa_against_its_table_form():
    a, b = [0, 1, 2, 2, 3, 0, 1], [0, 2, 2, 1, 3, 1, 1]
    seen = sum((x - y)**2 for x, y in zip(a, b)) / len(a)
    chance = sum((x - y)**2 for x in a for y in b) / len(a)**2
    assert abs(c.weighted_kappa(a, b) - (1 - seen / chance)) < 1e-12


def test_kinds_that_were_promised():
    texts = {p.id: " ".join(p.answers.values()).lower() for p in PUPILS}
    assert sum(not any(p.answers.values()) for p in PUPILS) >= 1 and sum("ignore all previous" in t or "developer mode" in t for t in texts.values()) >= 2
    assert sum(bool(re.search("i don't know", t)) for t in texts.values()) >= 2 and any("billig" in t for t in texts.values()) and any("camelid" in t for t in texts.values())


def test_files_give_the_answers_back(tmp_path):
    pupils = PUPILS[::3]
    found = c.recovered(READING, c.write_cohort(READING, tmp_path, pupils), pupils)
    share, wrong = wilson(sum(r[-1] for r in found), len(found)), [r for r in found if r[3] and not r[-1]]
    print(f"\nback unchanged {share}; sure and wrong: {wrong}")
    assert share.estimate >= .97 and len(wrong) <= .02 * len(found)


def test_renderings_are_the_same_each_time():
    for p in PUPILS[:12]:
        if p.format != "quiz": assert c.file_of(p, READING) == c.file_of(p, READING)


def test_article_stands_in_the_notebook_and_its_key_does_not_leave():
    article, key = (HOME / "article.md").read_text(), (HOME / "article_key.md").read_text()
    cells = "\n".join("".join(cell["source"]) for cell in READING.cells)
    assert all(row.lstrip("# ") in cells for row in article.split("\n") if row.strip())
    handout = json.dumps(c.student_cells(READING), ensure_ascii=False)
    private = [row.strip(" |") for row in key.split("\n") if row.startswith("|") and "---" not in row and "the article says" not in row]
    assert len(private) == 6
    for row in private:
        for part in row.split("|")[2:3]: assert part.strip() not in handout, part
    rubric = yaml.safe_load((HOME / "rubric.yaml").read_text())
    secrets = [i.get("guideline", "") for q in rubric["questions"].values() for i in q["items"]] + [k for q in rubric["questions"].values() for k in q["key_points"]] + [s for q in READING.questions for s in q.solution.split("\n") if s.strip()]
    assert len(secrets) > 60 and not [s for s in secrets if len(s) > 20 and s in handout]


@pytest.mark.parametrize("wrong, right", [("text-davinci-003 had drawn up", "people wrote them"), ("less than 100 dollars", "data under 500"), ("volunteers ranked", "nobody ranked"), ("Crowd workers", "student authors"), ("downloaded", "held back"), ("paid products", "prohibited")])
def test_each_planted_error_is_in_article_and_key(wrong, right):
    assert wrong in (HOME / "article.md").read_text() and right in (HOME / "article_key.md").read_text()


def test_rubric_keeps_the_conventions():
    for q in READING.questions:
        scored = [i for i in q.items if i.id not in ("other", "false_alarm")]
        assert 2 <= len(scored) <= 6 and all(.5 <= i.points <= 2 for i in scored) and [i for i in q.items if i.id == "other"][0].points == 0
        assert sum(i.points for i in scored) >= q.points and 1 <= q.points <= 5 and all(i.text.endswith(".") for i in scored) and q.solution.strip()
