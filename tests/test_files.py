"Other people's files: nothing crashes the reader, nothing is lost, memory stays bounded, and outputs appear whole or not at all. Real processes, with limits, where it matters."
import functools, gzip, json, os, random, signal, subprocess, sys, time, zipfile
from collections import Counter
from pathlib import Path

import pytest
from rouge_score import rouge_scorer

from alpaca_course import files
from alpaca_course.files import FAULTS, LIMIT, Fault, novelty_file, scan, sift
from alpaca_course.records import Record, RecordError, read_records, write_records

good = '{"instruction": "Add.", "input": "3 4", "output": "7"}'
record = Record("Add.", "3 4", "7")
MEGA = 1 << 20

bad = {  # a piece, its rule as a line, and whether a list goes on behind it
    "no JSON": ("Add 3 and 4", "not_json", False),
    "cut in a text": (good[:40], "not_json", False),
    "a comma too many": (good[:-1] + ",}", "not_json", False),
    "two in one line": (f"{good} {good}", "not_json", False),
    "raw line feed in a text": ('{"instruction": "a\tb", "output": ""}', "not_json", False),
    "raw NUL": ('{"instruction": "Add.", "output": "\0"}', "nul_character", False),
    "NUL outside": ("\0" * 50, "nul_character", False),
    "escaped NUL": (r'{"instruction": "Add.", "output": "\u0000"}', "nul_character", True),
    "lone surrogate": (r'{"instruction": "Add.", "output": "\ud83e"}', "lone_surrogate", True),
    "lone surrogate in the range of smuggled bytes": (r'{"instruction": "Add.", "output": "\udc80"}', "lone_surrogate", True),
    "surrogates the wrong way round": (r'{"instruction": "\udd99\ud83e", "output": ""}', "lone_surrogate", True),
    "Latin-1": (good.replace("Add", "Größe").encode("latin-1"), "not_utf8", True),
    "Latin-1 in another field": (good[:-1].encode() + b', "x": "\xe9"}', "not_utf8", True),
    "a surrogate encoded": (good.encode().replace(b"Add", b"\xed\xa0\xbe"), "not_utf8", True),
    "half a UTF-8 character": (good.encode().replace(b"Add", b"\xf0\x9f"), "not_utf8", True),
    "key twice": ('{"instruction": "Add.", "output": "7", "output": "8"}', "key_twice", True),
    "key twice, deep inside": ('{"instruction": "Add.", "output": "7", "x": [{"a": 1, "a": 2}]}', "key_twice", True),
    "a key twice that is no character": (r'{"\ud83e": 1, "\ud83e": 2}', "key_twice", True),
    "deep": ('{"instruction": "Add.", "output": "7", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "too_deep", True),
    "deep, with brackets in texts": ('{"x": ' + '["]\\"", ' * 5000 + "1" + "]" * 5000 + "}", "too_deep", True),
    "deep, never closed": ("[" * 100_000, "too_deep", False),
    "a long number": ('{"instruction": "Add.", "output": "7", "x": ' + "9" * 5000 + "}", "number_too_long", True),
    "only a long number": ("9" * 5000, "number_too_long", True),
    "a number": ("7", "not_an_object", True),
    "null": ("null", "not_an_object", True),
    "a text": ('"Add."', "not_an_object", True),
    "a list": ('["Add.", "7"]', "not_an_object", True),
    "an empty object": ("{}", "missing_field", True),
    "no output": ('{"instruction": "Add.", "answer": "7"}', "missing_field", True),
    "keys that are no characters": (r'{"\ud83e": 1}', "missing_field", True),
    "ten thousand other keys": (json.dumps({f"key {i}": 0 for i in range(10_000)}), "missing_field", True),
    "a number as output": ('{"instruction": "Add.", "output": 7}', "not_text", True),
    "null as input": ('{"instruction": "Add.", "input": null, "output": "7"}', "not_text", True),
    "a list as instruction": ('{"instruction": ["Add."], "output": "7"}', "not_text", True),
    "too large": (good.replace("Add", "x" * 500_000), "too_large", True),
}
pieces = pytest.mark.parametrize("piece, rule, goes_on", bad.values(), ids=bad)


def as_bytes(text): return text if isinstance(text, bytes) else text.encode()

def save(folder, name, *parts):
    path = folder/name
    path.write_bytes(b"".join(map(as_bytes, parts)))
    return path

def rules(rows): return [(line, getattr(found, "rule", "record")) for line, found in rows]

def run(code, *args, memory=None, seconds=60):
    "Run `code` in a process of its own, with `memory` bytes of addresses and `seconds` of processor time (not of the clock, which a busy machine stretches)."
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))\n"
    if memory: limit += f"resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))\n"
    return subprocess.run([sys.executable, "-c", f"import sys\n{limit}{code}", *map(str, args)], capture_output=True, text=True, timeout=900)

def sound(fault):
    "A fault is short, its rule is known, and it can be stored."
    assert fault.rule in FAULTS and 0 < len(fault.message) < 200 and len(fault.text) < 800
    (fault.message + fault.text).encode()


# ---- one bad piece
@pieces
def test_a_bad_line_stops_nothing(tmp_path, piece, rule, goes_on):
    path = save(tmp_path, "a.jsonl", good, "\n\n", piece, "\r\n", good, "\n", piece, "\n", good)
    rows = list(scan(path, 400_000))
    assert rules(rows) == [(1, "record"), (3, rule), (4, "record"), (5, rule), (6, "record")]
    assert rows[2][1] == record
    for line in (1, 3): sound(rows[line][1])

@pieces
def test_a_bad_item_costs_itself_or_the_rest(tmp_path, piece, rule, goes_on):
    path = save(tmp_path, "a.json", "[\n", good, ",\n\n", piece, ",\n", good, "\n]")
    rows = list(scan(path, 400_000))
    assert rules(rows)[0] == (2, "record")
    if goes_on: assert rules(rows)[1:] == [(4, rule), (5, "record")]
    else:
        assert len(rows) in (2, 3) and isinstance(rows[-1][1], Fault) and rows[1][0] == 4, rules(rows)
    for _, found in rows:
        if isinstance(found, Fault): sound(found)

def test_every_rule_was_reached(): assert {rule for _, rule, _ in bad.values()} | {"broken_list"} == set(FAULTS)

breaks = {  # what follows `[`, one record and a comma, the rule, and the line of the fault
    "cut in an item": (good[:20], "not_json", 2),
    "cut behind the comma": ("", "broken_list", 2),
    "a comma too many": ("]", "not_json", 2),
    "no comma": (f"{good}\n{good}]", "broken_list", 3),
    "no end": (f"{good}\n\n", "broken_list", 4),
    "text behind": (f"{good}]\n{good}", "broken_list", 3),
    "NUL bytes": ("\0" * 10_000, "nul_character", 2),
    "far too deep": ("[" * 1_000_000, "not_json", 2),
    "an item without end": (good[:20] + "x" * 3 * LIMIT, "too_large", 2),
    "broken early, with much behind": ('{"a" 1},' + f"{good}," * (LIMIT // 20), "not_json", 2),
}

@pytest.mark.parametrize("rest, rule, line", breaks.values(), ids=breaks)
def test_a_list_that_breaks_ends_there(tmp_path, rest, rule, line):
    rows = list(scan(save(tmp_path, "a.json", f"[{good},\n{rest}")))
    assert rows[0] == (1, record) and rules(rows)[-1] == (line, rule)
    assert all(isinstance(found, Record) for _, found in rows[:-1])
    sound(rows[-1][1])


# ---- whole files
def test_agrees_with_the_strict_reader_on_sound_files(tmp_path):
    rng = random.Random(0)
    texts = ["", "Größe", "🦙", "a\nb", "\u2028", "\x85", "[{", '"]}', "\\", "x" * 300, "\ufeff"]
    for _ in range(60):
        records = [Record(*(rng.choice(texts) for _ in range(5))) for _ in range(rng.randrange(1, 30))]
        for name in ("a.json", "a.jsonl"):
            write_records(records, tmp_path/name)
            assert [found for _, found in scan(tmp_path/name)] == records

@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_any_window_reads_the_same(tmp_path, monkeypatch, size):
    rows = [good, '{"instruction": "🦙é", "output": "\\ud83e\\udd99"}', "7", '"a\\"b"', "-1.5e3", "[[1]]", "{}", "true"]
    path = save(tmp_path, "a.json", b"\xef\xbb\xbf", " [\r\n", " ,\n\n".join(rows), "\n ]\n\n")
    expected = list(scan(path))
    monkeypatch.setattr(files, "Window", functools.partial(files.Window, size=size))
    assert list(scan(path)) == expected and [line for line, _ in expected] == [2 + 2 * i for i in range(len(rows))]

def test_byte_order_mark_and_carriage_returns(tmp_path):
    for name, text in [("a.jsonl", f"{good}\r\n\r\n{good}\r\n"), ("a.json", f"[{good},\r\n\r\n{good}]\r\n")]:
        assert list(scan(save(tmp_path, name, b"\xef\xbb\xbf", text))) == [(1, record), (3, record)]

whole = {  # name, content, what the message says
    "0 bytes": ("a.jsonl", b"", "line 1: the file is empty"),
    "0 bytes, list": ("a.json", b"", "line 1: the file is empty"),
    "only a mark": ("a.jsonl", b"\xef\xbb\xbf", "no records"),
    "only a mark, list": ("a.json", b"\xef\xbb\xbf", "no records"),
    "blank lines": ("a.jsonl", b"\n \r\n", "no records"),
    "blanks, list": ("a.json", b"\n \r\n", "no records"),
    "many blanks, list": ("a.json", b" " * 10_000, "no records"),
    "an empty list": ("a.json", b"[ ]", "no records"),
    "gzip": ("a.jsonl", gzip.compress(good.encode()), "packed by gzip"),
    "gzip, list": ("a.json", gzip.compress(good.encode()), "packed by gzip"),
    "UTF-16": ("a.jsonl", good.encode("utf-16"), "UTF-16"),
    "lines in .json": ("a.json", f"{good}\n{good}\n".encode(), "records one a line belong in a .jsonl file"),
    "an object": ("a.json", b'{"data": []}', "expected a list"),
    "another suffix": ("a.csv", good.encode(), "not '.csv'"),
    "no suffix": ("a", good.encode(), "not ''"),
}

@pytest.mark.parametrize("name, content, message", whole.values(), ids=whole)
def test_not_a_file_of_records(tmp_path, name, content, message):
    path = save(tmp_path, name, content)
    with pytest.raises(ValueError) as e: list(scan(path))
    assert str(e.value).startswith(str(path)) and message in str(e.value) and "\n" not in str(e.value)
    with pytest.raises(ValueError): sift(path, lambda r: None, tmp_path/"k.jsonl", tmp_path/"r.jsonl")
    assert [p.name for p in tmp_path.iterdir()] == [name]

def test_blanks_before_a_list(tmp_path):
    assert list(scan(save(tmp_path, "a.json", "\n" * 10_000, f"[{good}]"))) == [(10_001, record)]
    assert rules(scan(save(tmp_path, "a.json", "\n" * 10_000, good))) == [(10_001, "broken_list")]

def test_zip_folder_pipe_and_nothing(tmp_path):
    with zipfile.ZipFile(tmp_path/"a.json", "w") as archive: archive.writestr("b.json", good)
    os.mkfifo(tmp_path/"pipe.jsonl")
    (tmp_path/"folder.jsonl").mkdir()
    os.symlink("loop.jsonl", tmp_path/"loop.jsonl")
    for name, message in [("a.json", "a zip archive"), ("pipe.jsonl", "a folder or a device"), ("folder.jsonl", "a folder or a device"), ("none.jsonl", "no such file"), ("loop.jsonl", "no such file")]:
        done = run("from alpaca_course.files import scan\ntry: list(scan(sys.argv[1]))\nexcept ValueError as e: print(e)", tmp_path/name, seconds=20)
        assert message in done.stdout and not done.stderr, name

def test_a_file_that_may_not_be_read_or_written(tmp_path):
    "As another user, since root may do anything: the part of the package that is needed is imported before the change of user."
    path, closed = save(tmp_path, "a.jsonl", good), tmp_path/"closed"
    closed.mkdir()
    secret = save(tmp_path, "secret.jsonl", good)
    secret.chmod(0); closed.chmod(0o555)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.getuid() and folder != Path("/") and not folder.stat().st_mode & 1: folder.chmod(folder.stat().st_mode | 0o711)
    code = """
import os
from alpaca_course.files import scan, sift
if os.getuid() == 0: os.setgid(65534); os.setuid(65534)
secret, path, closed = sys.argv[1:]
for work in (lambda: list(scan(secret)), lambda: sift(path, lambda r: None, closed + '/k.jsonl', closed + '/r.jsonl')):
    try: work()
    except ValueError as e: print(e)"""
    done = run(code, secret, path, closed)
    assert done.stdout.splitlines() == [f"{secret}: cannot be read (Permission denied)", f"{closed/'r.jsonl'}: not written (Permission denied); what was there before is untouched"], done.stderr


# ---- a gigabyte
PEAK = """
from alpaca_course.files import scan
from collections import Counter
print(dict(Counter(getattr(found, 'rule', 'record') for _, found in scan(sys.argv[1]))))"""
SMALL = 256 * MEGA

def sparse(folder, name, head, tail=""):
    "A gigabyte of NUL bytes between `head` and `tail`, most of it never written."
    path = save(folder, name, head)
    with open(path, "r+b") as file:
        file.seek(1 << 30); file.write(as_bytes(tail))
    return path

def test_one_line_of_a_gigabyte(tmp_path):
    path = sparse(tmp_path, "a.jsonl", f"{good}\n", f"\n{good}\n7\n")
    done = run(PEAK, path, memory=SMALL)
    assert done.stdout.strip() == "{'record': 2, 'too_large': 1, 'not_an_object': 1}", done.stderr

def test_a_list_with_a_hole_of_a_gigabyte(tmp_path):
    done = run(PEAK, sparse(tmp_path, "a.json", f"[{good},\n{good},", f"{good}]"), memory=SMALL)
    assert done.stdout.strip() == "{'record': 2, 'nul_character': 1}", done.stderr

@pytest.mark.parametrize("name, blocks", [("a.jsonl", 64), ("a.json", 20)])
def test_many_records_of_a_gigabyte(tmp_path, name, blocks):
    "Blocks of 16 MB, again and again: records of 128 kB; the list is smaller, to save time, but larger than the memory allowed."
    row = (json.dumps(dict(instruction="Say it.", output="x" * (1 << 17))) + (",\n" if name == "a.json" else "\n")).encode()
    with open(tmp_path/name, "wb", buffering=0) as file:
        if name == "a.json": file.write(b"[")
        for _ in range(blocks): file.write(row * 128)
        file.write(good.encode() + b"]" * (name == "a.json"))
    assert (tmp_path/name).stat().st_size > blocks * 16 * MEGA > SMALL
    done = run(PEAK, tmp_path/name, memory=SMALL)
    (tmp_path/name).unlink()
    assert done.stdout.strip() == f"{{'record': {128 * blocks + 1}}}", done.stderr

hungry = {"empty lists": "[[" + "[]," * (LIMIT // 3 - 99) + "[]]]", "empty objects": "[[" + "{}," * (LIMIT // 12) + "{}]]", "keys": '[{"a":' + '{"a":' * 900 + "1" + "}" * 901 + "]",
          "quotes behind depth": "[" + "[" * 5000 + '\\"' * LIMIT, "wide characters": '[{"instruction": "' + "🦙" + "x" * (LIMIT - 99) + '", "output": ""}]', "depth again and again": "[" + ("[" * 2000 + "]" * 2000 + ",") * 2000 + "1]"}

@pytest.mark.parametrize("text", hungry.values(), ids=hungry)
def test_hungry_items_stay_in_bounds(tmp_path, text):
    "Items that are small on disk and large in memory, or that tempt a reader to begin again and again: the time limit is there for quadratic work only."
    for path in (save(tmp_path, "a.json", text), save(tmp_path, "a.jsonl", text[1:-1], "\n", good)):
        done = run(PEAK, path, memory=2 * SMALL, seconds=30)
        assert done.stdout.startswith("{"), done.stderr


# ---- random damage
@pytest.mark.parametrize("seed", range(6))
def test_random_damage(tmp_path, seed):
    "Bytes changed, cut or put in at random: no exception, lines far from the damage are read as before, items before it too."
    rng = random.Random(seed)
    rows = [json.dumps(dict(instruction=f"Say {i} 🦙", input="é" * (i % 3), output=str(i)), ensure_ascii=bool(i % 2)).encode() for i in range(12)]
    expected = [Record(f"Say {i} 🦙", "é" * (i % 3), str(i)) for i in range(12)]
    for _ in range(150):
        hit, row = rng.randrange(12), None
        row = bytearray(rows[hit])
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(row))
            row[at:at + rng.randrange(3)] = bytes(rng.choice([rng.randrange(256), *b'"\\[]{},:\0']) for _ in range(rng.randrange(3)))
        damaged = rows[:hit] + [bytes(row).replace(b"\n", b" ")] + rows[hit + 1:]
        found = dict(scan(save(tmp_path, "a.jsonl", b"\n".join(damaged))))
        assert [found[i + 1] for i in range(12) if i != hit] == [r for i, r in enumerate(expected) if i != hit]
        items = [item for _, item in scan(save(tmp_path, "a.json", b"[" + b",\n".join(damaged) + b"]"))]
        assert items[:hit] == expected[:hit]
        for item in items:
            if isinstance(item, Fault): sound(item)


# ---- sorting
def odd(r): return dict(rule="odd", length=len(r.output)) if len(r.output) % 2 else None

def many(folder, n=200, name="in.jsonl"):
    rng = random.Random(1)
    lines = [rng.choice(["Add 3 and 4", "", '{"a": 1, "a": 2}']) if rng.random() < .3 else json.dumps(dict(instruction=f"Say {i}.", output="x" * rng.randrange(9), source="s", terms="t", id=i)) for i in range(n)]
    return save(folder, name, "\n".join(lines)), lines

@pytest.mark.parametrize("name", ["k.json", "k.jsonl"])
def test_what_is_read_is_kept_or_rejected(tmp_path, name):
    path, lines = many(tmp_path)
    seen = []
    counts = sift(path, odd, tmp_path/name, tmp_path/"r.jsonl", on_progress=lambda n, c: seen.append((n, sum(c.values()))))
    kept, rejected = read_records(tmp_path/name), [json.loads(row) for row in (tmp_path/"r.jsonl").read_text().splitlines()]
    full = [i for i, line in enumerate(lines, 1) if line]
    assert len(kept) == counts["kept"] and Counter(row["rule"] for row in rejected) == counts - Counter(kept=counts["kept"])
    assert kept == [r for _, r in scan(path) if isinstance(r, Record) and not odd(r)] and kept[0].terms == "t"
    number = {json.loads(line)["instruction"]: i for i, line in enumerate(lines, 1) if line.startswith('{"i')}
    assert sorted([row["line"] for row in rejected] + [number[r.instruction] for r in kept]) == full
    assert [row["line"] for row in rejected] == sorted(row["line"] for row in rejected)
    for row in rejected:
        if row["rule"] == "odd": assert Record(**row["record"]) and row["length"] == len(row["record"]["output"])
        else: assert row["text"] == lines[row["line"] - 1] and row["message"]
    assert seen == [(len(full), len(full))]
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".part")]

def test_nothing_kept(tmp_path):
    path = save(tmp_path, "in.jsonl", "7\n8\n")
    assert sift(path, odd, tmp_path/"k.json", tmp_path/"r.jsonl") == {"kept": 0, "not_an_object": 2}
    assert json.loads((tmp_path/"k.json").read_text()) == []

def test_progress_is_told_now_and_then(tmp_path):
    seen = []
    sift(save(tmp_path, "in.jsonl", f"{good}\n" * 2500), lambda r: None, tmp_path/"k.jsonl", tmp_path/"r.jsonl", on_progress=lambda n, c: seen.append((n, c["kept"])))
    assert seen == [(1000, 1000), (2000, 2000), (2500, 2500)]

def test_same_file_twice_is_refused(tmp_path):
    path, _ = many(tmp_path)
    os.symlink(path, tmp_path/"link.jsonl")
    before = path.read_bytes()
    for kept, rejected in [(path, tmp_path/"r.jsonl"), (tmp_path/"k.jsonl", path), (tmp_path/"k.jsonl", tmp_path/"k.jsonl"), (tmp_path/"link.jsonl", tmp_path/"r.jsonl"), (path, path),
                           (tmp_path/"x"/".."/"k.jsonl", tmp_path/"k.jsonl")]:
        with pytest.raises(RecordError, match="named twice"): sift(path, odd, kept, rejected)
    assert path.read_bytes() == before and sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "link.jsonl"]

def old_outputs(folder):
    for name in ("k.jsonl", "r.jsonl"): save(folder, name, "old\n")

def unchanged(folder):
    assert {p.name: p.read_text() for p in folder.iterdir() if p.name[:2] in ("k.", "r.")} == {"k.jsonl": "old\n", "r.jsonl": "old\n"}

def test_errors_leave_old_outputs(tmp_path):
    path, _ = many(tmp_path)
    old_outputs(tmp_path)
    def fails(r): raise OSError(5, "the judge's own trouble")
    cases = [(fails, "k.jsonl", "r.jsonl", OSError, "the judge's own trouble"), (lambda r: {}, "k.jsonl", "r.jsonl", ValueError, "line [0-9]+: a judge must return"),
             (lambda r: dict(rule="kept"), "k.jsonl", "r.jsonl", ValueError, "a judge must return"), (lambda r: True, "k.jsonl", "r.jsonl", ValueError, "a judge must return"),
             (odd, "none/k.jsonl", "r.jsonl", ValueError, "there is no folder"), (odd, "k.jsonl", "none/r.jsonl", ValueError, "there is no folder"), (odd, "k.txt", "r.jsonl", ValueError, "not '.txt'"),
             (odd, "k.jsonl", "r.json", ValueError, "one a line"), (odd, "dir.jsonl", "r.jsonl", ValueError, "a folder, not a file")]
    (tmp_path/"dir.jsonl").mkdir()
    for judge, kept, rejected, error, message in cases:
        with pytest.raises(error, match=message) as e: sift(path, judge, tmp_path/kept, tmp_path/rejected)
        assert "\n" not in str(e.value)
        unchanged(tmp_path)
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".part")]

def test_full_disk(tmp_path):
    "A limit on file sizes stands in for a full disk: the same call fails in the same place, with another number."
    path = save(tmp_path, "in.jsonl", f"{good}\n" * 5000)
    old_outputs(tmp_path)
    code = """
import resource, signal
from alpaca_course.files import sift
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try: sift(sys.argv[1] + '/in.jsonl', lambda r: None, sys.argv[1] + '/k.jsonl', sys.argv[1] + '/r.jsonl')
except ValueError as e: print(e)"""
    done = run(code, tmp_path)
    assert done.stdout == f"{tmp_path/'k.jsonl'}: not written (File too large); what was there before is untouched\n", done.stderr
    unchanged(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3

STOPPED = """
from alpaca_course.files import sift
import time
folder, seen = sys.argv[1], 0
def judge(record):
    global seen
    seen += 1
    if seen == 150: print('half way', flush=True); time.sleep(900)
sift(folder + '/in.jsonl', judge, folder + '/k.jsonl', folder + '/r.jsonl')"""

@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_stopped_in_the_middle(tmp_path, how):
    save(tmp_path, "in.jsonl", f"{good}\n" * 300)
    old_outputs(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "import sys\n" + STOPPED, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half way\n"
        process.send_signal(how)
        process.communicate(timeout=600)
    unchanged(tmp_path)
    left = [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")]
    assert len(left) == (0 if how == signal.SIGINT else 2)
    sift(tmp_path/"in.jsonl", odd, tmp_path/"k.jsonl", tmp_path/"r.jsonl")  # what was left behind is in nobody's way
    assert (tmp_path/"r.jsonl").read_text().count("\n") == 300 and (tmp_path/"k.jsonl").read_text() == ""

def test_killed_at_random_moments(tmp_path):
    "At every moment each output is the old one or the new one, whole."
    save(tmp_path, "in.jsonl", f"{good}\n" * 3000, '{"instruction": "a", "output": ""}\n' * 3000)
    code = "from alpaca_course.files import sift\nf = sys.argv[1]\nsift(f + '/in.jsonl', lambda r: None if r.output else dict(rule='empty'), f + '/k.jsonl', f + '/r.jsonl')"
    assert run(code, tmp_path).returncode == 0
    new = {name: (tmp_path/name).read_bytes() for name in ("k.jsonl", "r.jsonl")}
    rng = random.Random(0)
    for _ in range(12):
        old_outputs(tmp_path)
        with subprocess.Popen([sys.executable, "-c", "import sys\n" + code, tmp_path], stderr=subprocess.PIPE) as process:
            while process.poll() is None and not list(tmp_path.glob(".*.part")): time.sleep(.001)
            time.sleep(rng.random() * .1)
            process.kill()
        for name in new: assert (tmp_path/name).read_bytes() in (b"old\n", new[name])
        for part in tmp_path.glob(".*.part"): part.unlink()


# ---- novelty
JUDGE = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)

@pytest.mark.parametrize("with_input", [False, True])
@pytest.mark.parametrize("threshold", [.3, .7, 1])
def test_novelty_file_decides_as_rouge_score_does(tmp_path, with_input, threshold):
    rng = random.Random(7)
    records = [Record(" ".join(rng.choice("abcdefgh") for _ in range(rng.randrange(10))), rng.choice(["", "x y", "a b c"]), str(i)) for i in range(120)]
    write_records(records, tmp_path/"in.json")
    counts = novelty_file(tmp_path/"in.json", tmp_path/"k.jsonl", tmp_path/"r.jsonl", threshold, with_input)
    text = lambda r: f"{r.instruction}\n{r.input}" if with_input else r.instruction
    score = lambda a, b: JUDGE.score(a, b)["rougeL"].fmeasure
    kept = []
    for r in records:
        if all(score(text(old), text(r)) <= threshold for old in kept): kept.append(r)
    assert read_records(tmp_path/"k.jsonl") == kept and counts == Counter(kept=len(kept)) + Counter(near_copy=len(records) - len(kept))
    before = {text(r).strip(): int(r.output) for r in reversed(kept)}
    for row in map(json.loads, (tmp_path/"r.jsonl").read_text().splitlines()):
        assert before[row["neighbour"].strip()] + 2 <= row["line"] and row["score"] == score(row["neighbour"], text(Record(**row["record"]))) > threshold

def test_novelty_file_refuses_a_wrong_threshold_before_it_reads(tmp_path):
    with pytest.raises(ValueError, match="at most 1, got 70"): novelty_file(tmp_path/"none.jsonl", tmp_path/"k.jsonl", tmp_path/"r.jsonl", 70)

def test_module_is_light():
    done = run("import alpaca_course.files; print([m for m in ('torch', 'numpy', 'matplotlib', 'openai', 'rouge_score', 'datasets') if m in sys.modules])")
    assert done.stdout.strip() == "[]"
