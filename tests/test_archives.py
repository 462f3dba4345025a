"""Archives as strangers pack them: nothing outside OUT, nothing fatal, one line in the report for each attack."""
import io, json, os, stat, struct, subprocess, sys, zipfile
from pathlib import Path

import pytest

from alpaca_course.grading import archives
from alpaca_course.grading.archives import Caps, collect, counting, read_submissions, report
from alpaca_course.grading.cohort import cohort_folder, read_cohort

ROSTER = "id,name\n71,\"Llama, Ada\"\n72,\"Vicuña, Bo\"\n73,Cy Guanaco\n74,Di Kamel\n"


def packed(entries, compression=zipfile.ZIP_DEFLATED):
    "Bytes of a zip; names may be ZipInfo."
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as z:
        for name, data in entries: z.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def place(tmp_path):
    "A folder with a roster, and with canaries around the output folder."
    (tmp_path / "roster.csv").write_text(ROSTER, encoding="utf-8")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "canary").write_text("alive")
    return tmp_path


def run(place, data, caps=Caps(), roster=True):
    "Collect a zip into deep/er/out; afterwards nothing but what was there before and the output folder exists."
    before = {p for p in place.rglob("*")}
    (place / "in.zip").write_bytes(data)
    out = place / "deep" / "er" / "out"
    rows = collect("reading", place / "in.zip", out, place / "roster.csv" if roster else None, caps)
    new = {p for p in place.rglob("*")} - before - {place / "in.zip"}
    assert all(p == out or out in p.parents for p in new), new
    assert not any(p.is_symlink() for p in new) and (place / "canary").read_text() == "alive"
    assert read_submissions(out) == rows and all("\n" not in r.problem + r.note + r.name for r in rows)
    for r in rows:
        if r.path: assert out.resolve() in (out / r.path).resolve().parents and (out / r.path).is_file()
    assert len(report(rows).split("\n")) == 1 + sum(bool(r.problem or r.note) for r in rows)
    return rows


FINE = ("llamaada_71_900_week9.md", "It is cheap.")


def link(name, target, mode=0o120777):
    info = zipfile.ZipInfo(name)
    info.external_attr, info.create_system = mode << 16, 3
    return info, target


def raw_name(name):
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    return info


REFUSED = {
    "up": (("../../canary_72_1_a.md", "x"), "leads out"), "up in the middle": (("a/../../../canary", "x"), "leads out"), "backslashes": ((raw_name("..\\..\\canary"), "x"), "leads out"),
    "absolute": (("/tmp/canary_72_1_a.md", "x"), "absolute"), "drive": ((raw_name("C:\\canary_72_1_a.md"), "x"), "absolute"), "server": ((raw_name("\\\\host\\share"), "x"), "absolute"),
    "link": (link("vicunabo_72_1_a.md", "/etc/passwd"), "a link"), "link to a folder": (link("vicunabo_72_1_a", "../.."), "a link"), "device": (link("vicunabo_72_1_a.md", "", 0o020666), "a device"), "pipe": (link("vicunabo_72_1_a.md", "", 0o010666), "a device"),
    "bomb": (("vicunabo_72_1_a.md", b"0" * 19_000_000), "a bomb"), "large": (("vicunabo_72_1_a.md", b"0" * 21_000_000), "larger than"),
    "long name": (("vicunabo_72_1_" + "x" * 400 + ".md", "x"), "absurdly long"), "deep": (("/".join("abcdefghijklmnop") + "/a.md", "x"), "nested"), "nothing": (("...", "x"), "without a letter"), "control": (("vicunabo_72_1_a\nb\x1b[2J.md", "x"), "control"),
}


@pytest.mark.parametrize("attack", REFUSED)
def test_refused_in_one_line(attack, place):
    entry, why = REFUSED[attack]
    rows = run(place, packed([FINE, entry, ("guanacocy_73_901_b.md", "fine too")]))
    bad = [r for r in rows if r.problem]
    assert len(rows) == 3 and len(bad) == 1 and why in bad[0].problem and not bad[0].path, bad
    assert {r.student for r in counting(rows)} == {"71", "73"}


ODD = {"windows": "vicunabo_72_1_con.md", "trailing dot": "vicunabo_72_1_a.md.", "forbidden": 'vicunabo_72_1_a<b>"c".md', "right to left": "vicunabo_72_1_x\u202edm.exe", "stream": "vicunabo_72_1_a.md:evil"}


@pytest.mark.parametrize("odd", ODD)
def test_odd_names_are_kept_under_ours(odd, place):
    rows = run(place, packed([FINE, (ODD[odd], "odd but fine")]))
    row = [r for r in rows if r.student == "72"][0]
    assert not row.problem and row.path and row.path.isascii() and ":" not in row.path and (row.note or odd == "windows")


def test_names_that_some_systems_take_for_one(place):
    rows = run(place, packed([("vicun\u0303abo_72_1_größe.md", "a"), ("vicuñabo_72_1_gro\u0308ße.md", "b"), ("VICUÑABO_72_1_GRÖSSE.md", "c"), ("vicuñabo_72_1_größe.md", "d")]))
    assert len({r.path for r in rows}) == 4 and {(place / "deep/er/out" / r.path).read_text() for r in rows} == set("abcd") and sum(bool(r.note) for r in rows) >= 2


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(place):
    rows = run(place, packed([FINE, (FINE[0], "another")]))
    assert len({r.path for r in rows}) == 2 and rows[1].note and [r.newest for r in rows] == [False, True]


def test_wrong_checksum_and_cut_off(place):
    data = packed([FINE, ("vicunabo_72_1_a.md", "abcdefgh" * 40)], zipfile.ZIP_STORED)
    broken = data.replace(b"abcdefgh", b"abcdefgX", 1)
    rows = run(place, broken)
    assert [bool(r.problem) for r in rows] == [False, True] and "damaged" in rows[1].problem
    for size in (10, len(data) // 2, len(data) - 10):
        rows = run(place, data[:size])
        assert len(rows) == 1 and "not a zip" in rows[0].problem
    assert "not a zip" in run(place, b"")[0].problem and "not a zip" in run(place, b"%PDF-1.4")[0].problem


def test_encrypted(place):
    data = bytearray(packed([FINE, ("vicunabo_72_1_a.md", "secret")]))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        spot = data.rfind(magic) if magic == b"PK\x01\x02" else data.index(b"PK\x03\x04", 10)
        data[spot + at] |= 1
    rows = run(place, bytes(data))
    assert "encrypted" in rows[1].problem and not rows[0].problem


def test_a_lying_size(place):
    "The description says 5 bytes, the data holds 30 million: reading stops at the limit."
    data = bytearray(packed([("vicunabo_72_1_a.md", b"0" * 30_000_000)]))
    spot = data.rindex(b"PK\x01\x02")
    data[spot + 24:spot + 28] = struct.pack("<I", 5)
    first = data.index(b"PK\x03\x04")
    data[first + 22:first + 26] = struct.pack("<I", 5)
    rows = run(place, bytes(data))
    assert rows[0].problem and not rows[0].path


def test_overlapping_entries(place):
    "Two names for the same bytes, as in bombs of quadratic size."
    data = packed([("llamaada_71_900_a.md", "x" * 3000), ("vicunabo_72_901_b.md", "y" * 3000)], zipfile.ZIP_STORED)
    spots = [i for i in range(len(data)) if data[i:i + 4] == b"PK\x01\x02"]
    data = bytearray(data)
    data[spots[1] + 42:spots[1] + 46] = data[spots[0] + 42:spots[0] + 46]
    rows = run(place, bytes(data))
    assert all("overlap" in r.problem for r in rows)


def test_sixty_five_thousand_entries(place):
    rows = run(place, packed([FINE] + [(f"vicunabo_72_{i}_a.md", "") for i in range(65_534)], zipfile.ZIP_STORED))
    assert len(rows) == 2001 and sum("65,535 files" in r.problem for r in rows) == 1


def test_nested_archives_are_not_opened(place):
    inner = packed([("../../canary", "dead"), ("bomb", b"0" * 5_000_000)])
    rows = run(place, packed([FINE, ("vicunabo_72_1_all.zip", inner), ("guanacocy_73_2_answers.docx", packed([("[Content_Types].xml", "x"), ("word/document.xml", "<a/>")]))]))
    assert "not opened" in rows[1].problem and rows[1].path and not rows[2].problem


def test_all_together_too_large(place):
    rows = run(place, packed([(f"vicunabo_72_{i}_{i}.md", os.urandom(4000)) for i in range(10)]), Caps(all_bytes=20_000))
    assert sum(bool(r.problem) for r in rows) == 4 and sum(bool(r.path) for r in rows) == 6


def test_canvas(place):
    rows = run(place, packed([("llamaada_71_900_week9.ipynb", "1"), ("llamaada_71_901_week9-1.ipynb", "2"), ("llamaada_71_902_week9-2.ipynb", "3"), ("llamaada_LATE_71_903_extra_file-final.docx", "4"), ("vicunabo_72_text.html", "<p>5</p>"),
                              ("LATE_anon_73_904_a.md", "6"), ("stranger_99_905_b.md", "7"), ("__MACOSX/._llamaada_71_900_week9.ipynb", "8")]))
    assert [(r.student, r.attempt, r.late, r.newest) for r in rows] == [("71", 1, False, False), ("71", 2, False, False), ("71", 3, False, True), ("71", 1, True, True), ("72", 1, False, True), ("73", 1, True, True), ("", 1, False, True)]
    assert {r.source for r in rows} == {"canvas"} and rows[-1].problem == "nobody in the roster fits its name" and rows[-1].claimed == "stranger 99" and len(counting(rows)) == 4


def test_ids_come_from_the_roster_only(place):
    "A name that claims another's id is believed by id only where the roster holds it; without a roster nobody has an id."
    assert [r.student for r in run(place, packed([FINE]), roster=False)] == [""] and counting(run(place, packed([FINE]), roster=False)) == []
    rows = run(place, packed([FINE, ("guanacocy_73_1_a.md", "x"), ("x_71'; drop table_1_a.md", "x"), ("llamaada_72_1_a.md", "x")]))
    assert [r.student for r in rows] == ["71", "73", "", "72"]  # Canvas's number decides, not the name
    rows = run(place, packed([("llamaada_week9.md", "x"), ("llamaada_72.md", "x"), ("71/72.md", "x"), ("work 71.md", "x")]))
    assert [r.student for r in rows] == ["71", "", "", "71"]  # a folder: two claims are none


def test_moodle(place):
    (place / "roster.csv").write_text("Kennung,Vollständiger Name,E-Mail-Adresse,Status,Bewertung\nTeilnehmer/in 501,Ada Llama,ada@example.edu,,\nTeilnehmer/in 502,Bo Vicuña,bo@example.edu,,\nTeilnehmer/in 503,Cy Guanaco,cy@example.edu,,\n", encoding="utf-8-sig")
    rows = run(place, packed([("Ada Llama_501_assignsubmission_file/week9.md", "1"), ("Bo Vicuña_502_assignsubmission_onlinetext_/onlinetext.html", "<p>2</p>"), ("Participant_503_assignsubmission_file_/sub/a.md", "3"), ("Ada Llama_999_assignsubmission_file_/b.md", "4")]))
    assert [r.student for r in rows] == ["501", "502", "503", "501"] and {r.source for r in rows} == {"moodle"} and rows[2].name == "sub/a.md"


@pytest.mark.parametrize("word", ["Teilnehmer/in ", "Teilnehmer/in", "Participante", "Deltaker ", "Uczestnik", "Mitglied "])
@pytest.mark.parametrize("header", ["ID;Vollständiger Name;E-Mail-Adresse", "Kennung;Vollständiger Name;E-Mail-Adresse"])
def test_moodle_worksheets_of_any_language(word, header, place):
    (place / "roster.csv").write_text(f"{header}\n{word}501;Ada Llama;ada@example.edu\n{word}502;Bo Vicuña;bo@example.edu\n", encoding="utf-8-sig")
    rows = run(place, packed([("Ada Llama_501_assignsubmission_file/a.ipynb", "1"), ("Teilnehmerin_502_assignsubmission_file_/b.ipynb", "2"), ("Cy Guanaco_503_assignsubmission_file_/c.ipynb", "3")]))
    assert [r.student for r in rows] == ["501", "502", ""]


def test_a_roster_that_was_not_understood_is_named_with_an_example(place, capsys):
    import argparse
    parser = argparse.ArgumentParser(); archives.collect_arguments(parser)
    def said(roster, *names):
        (place / "roster.csv").write_text(roster, encoding="utf-8"); (place / "m.zip").write_bytes(packed([(n, "x") for n in names]))
        assert archives.collect_command(parser.parse_args(["hw", str(place / "m.zip"), "--roster", str(place / "roster.csv"), "--out", str(place / "o")])) == 0
        return [line for line in capsys.readouterr().out.splitlines() if "No file fits" in line]
    ours, other = "Ada Llama_501_assignsubmission_file/a.ipynb", "Bo Vicuna_502_assignsubmission_file/a.ipynb"
    line, = said("ID;Namn\nElev501;Llama A\n", ours, other)
    assert "id 'Elev501', name" in line and "'Ada Llama 501'" in line
    assert said("id,name\n501,x\n", ours, other) == [] == said("id,name\n501,x\n", ours)  # one fits: the roster is the right one


def test_gradescope_zip_and_folder(place):
    about = "submission_11:\n  :submitters:\n  - :name: Ada Llama\n    :sid: '71'\n    :email: ada@example.edu\n  :created_at: 2026-03-01 10:00:00.000000000 Z\nsubmission_12:\n  :submitters:\n  - :name: Bo Vicuña\n    :sid: ''\n    :email: \n  :created_at: !ruby/object:ActiveSupport::TimeWithZone\n    utc: 2026-03-01\nsubmission_13:\n  :submitters: []\n"
    entries = [("export/submission_metadata.yml", about), ("export/submission_11/a.ipynb", "1"), ("export/submission_12/b/c.md", "2"), ("export/submission_13/d.md", "3"), ("export/submission_14/e.md", "4")]
    rows = run(place, packed(entries))
    assert [r.student for r in rows] == ["71", "72", "", ""] and {r.source for r in rows} == {"gradescope"} and [r.name for r in rows][:2] == ["a.ipynb", "b/c.md"]
    for name, text in entries: (place / "f" / name).parent.mkdir(parents=True, exist_ok=True); (place / "f" / name).write_text(text)
    again = collect("reading", place / "f", place / "out2", place / "roster.csv")
    assert [(r.student, r.name, r.sha256) for r in again] == [(r.student, r.name, r.sha256) for r in rows]
    rows = run(place, packed([("submission_metadata.yml", "a: [b\n"), ("submission_11/a.md", "1")]))
    assert any("submission_metadata.yml is broken" in r.problem for r in rows) and rows[0].student == ""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [" + ",".join([f"*{chr(97 + i)}"] * 9) + "]\n" for i in range(12))
    assert run(place, packed([("submission_metadata.yml", bomb), ("a/b.md", "1")]))
    assert run(place, packed([("submission_metadata.yml", "x: !!python/object/apply:os.system ['touch canary2']\n"), ("a/b.md", "1")]))


def test_folders_and_their_traps(place):
    source = place / "in"
    (source / "72").mkdir(parents=True)
    (source / "71.md").write_text("1"); (source / "72" / "week9.md").write_text("2"); (source / "Cy Guanaco.pdf").write_text("3"); (source / "stranger.md").write_text("4")
    (source / "74_reading.md").symlink_to("/etc/passwd"); (source / "loop").symlink_to(source); os.mkfifo(source / "74.md")
    (source / "unreadable_74.md").write_text("5"); (source / "unreadable_74.md").chmod(0)
    rows = collect("reading", source, place / "out", place / "roster.csv")
    got = {r.name: r for r in rows}
    assert {n: r.student for n, r in got.items() if r.path and r.student and r.student != "74"} == {"71.md": "71", "72/week9.md": "72", "Cy Guanaco.pdf": "73"}
    assert "link" in got["74_reading.md"].problem and "link" in got["loop"].problem and "device" in got["74.md"].problem and "nobody" in got["stranger.md"].problem
    with pytest.raises(ValueError, match="lies inside"): collect("reading", source, source / "out", place / "roster.csv")


def test_again_and_again(place):
    "Collecting twice gives the same rows and files; a killed run leaves no half files that count."
    data = packed([FINE, ("vicunabo_72_1_a.md", "b")])
    first = run(place, data)
    files = sorted(p for p in (place / "deep/er/out/files").rglob("*") if p.is_file())
    assert collect("reading", place / "in.zip", place / "deep/er/out", place / "roster.csv") == first
    assert sorted(p for p in (place / "deep/er/out/files").rglob("*") if p.is_file()) == files and not any(p.name.endswith(".part") for p in files)
    (place / "deep/er/out/submissions.jsonl").write_text('{"student": 1, "nonsense": 2}\n')
    with pytest.raises(ValueError, match="run it again"): read_submissions(place / "deep/er/out")


def test_the_cohort_comes_home(place):
    "Every file of the made-up cohort finds its student, from the cohort's own roster."
    pupils = read_cohort()
    rows = run(place, packed([(f"{''.join(p.name.lower().split()[::-1])}_{p.id[1:]}_{900 + i}_reading.md", p.id) for i, p in enumerate(pupils)]), roster=False)
    assert {r.source for r in rows} == {"canvas"}
    (place / "roster.csv").write_text((cohort_folder() / "roster.csv").read_text())
    rows = run(place, packed([(f"{p.id}_reading.md", p.answers["ethics"]) for p in pupils]))
    assert [r.student for r in rows] == [p.id for p in pupils] and len(counting(rows)) == len(pupils)


def test_command_line(place):
    (place / "c.zip").write_bytes(packed([FINE, ("../../up_72_1_a.md", "x")]))
    code = "import argparse; from alpaca_course.grading.archives import *; p = argparse.ArgumentParser(); collect_arguments(p); raise SystemExit(collect_command(p.parse_args()))"
    done = subprocess.run([sys.executable, "-c", code, "reading", str(place / "c.zip"), "--roster", str(place / "roster.csv"), "--out", str(place / "o")], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and "1 to grade" in done.stdout and "leads out of the folder" in done.stdout and json.loads((place / "o/submissions.jsonl").read_text().splitlines()[0])["student"] == "71"
