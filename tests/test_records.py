"Records against hostile files: every complaint names file and line, nothing is lost, a failed write changes nothing."
import json, os, random, subprocess, sys, textwrap
from dataclasses import fields, replace
from pathlib import Path

import pytest

from alpaca_course import records
from alpaca_course.records import (TEMPLATES, Record, RecordError, Template, check_template, fingerprint, from_dataset, get_template,
                                   problem, provenance, read_records, read_seeds, to_dataset, write_records)

good = '{"instruction": "Add.", "input": "3 4", "output": "7"}'
record = Record("Add.", "3 4", "7")
both = pytest.mark.parametrize("name", ["data.json", "data.jsonl"])


def save(folder, content, name="data.jsonl"):
    path = folder/name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return path


bad_lines = {  # what stands in line 3 of the file, and what the message says of it
    "truncated in a text": (good[:40], "not JSON"),
    "truncated between fields": ('{"instruction": "Add.",', "not JSON"),
    "not JSON": ("Add 3 and 4", "not JSON"),
    "raw control character": ('{"instruction": "Add.", "output": "\t"}', "not JSON"),
    "raw NUL": ('{"instruction": "Add.", "output": "\0"}', "not JSON"),
    "escaped NUL": (r'{"instruction": "Add.", "output": "\u0000"}', "'output' holds a NUL"),
    "lone surrogate": (r'{"instruction": "Add.", "output": "\ud83e"}', "'output' holds half a character"),
    "surrogates the wrong way round": (r'{"instruction": "\udd99\ud83e", "output": ""}', "'instruction' holds half a character"),
    "key twice": ('{"instruction": "Add.", "output": "7", "output": "8"}', "'output' comes 2 times"),
    "nested key twice": ('{"instruction": "Add.", "output": "7", "x": {"a": 1, "a": 2}}', "'a' comes 2 times"),
    "number": ('{"instruction": "Add.", "output": 7}', "'output' must be text, got int"),
    "null": ('{"instruction": "Add.", "input": null, "output": "7"}', "'input' must be text, got NoneType"),
    "list": ('{"instruction": ["Add."], "output": "7"}', "'instruction' must be text, got list"),
    "NaN": ('{"instruction": "Add.", "output": NaN}', "'output' must be text, got float"),
    "no output": ('{"instruction": "Add.", "answer": "7"}', "no 'output'; the fields here are: instruction, answer"),
    "no instruction": ('{"output": "7"}', "no 'instruction'"),
    "empty object": ("{}", "the fields here are: none"),
    "a text": ('"Add."', "got str"),
    "a list for a record": ('["Add.", "7"]', "got list"),
    "nested for ever": ('{"instruction": "Add.", "output": "7", "x": ' + "[" * 200_000, "nested too deeply"),
    "a number of 5000 digits": ('{"instruction": "Add.", "output": "7", "x": ' + "9" * 5000 + "}", "line 3"),
}


@pytest.mark.parametrize("line, message", bad_lines.values(), ids=bad_lines)
def test_bad_line_in_jsonl(tmp_path, line, message):
    path = save(tmp_path, f"{good}\n\n{line}\n{good}\n")
    with pytest.raises(RecordError) as e: read_records(path)
    assert str(e.value).startswith(f"{path}, line 3: ") and message in str(e.value) and "\n" not in str(e.value)


@pytest.mark.parametrize("line, message", bad_lines.values(), ids=bad_lines)
def test_bad_item_in_json(tmp_path, line, message):
    path = save(tmp_path, f"[\n{good},\n{line},\n{good}\n]", "data.json")
    with pytest.raises(RecordError) as e: read_records(path)
    assert str(e.value).startswith(f"{path}, line 3: ") and message in str(e.value)


@both
@pytest.mark.parametrize("content, message", [
    (b"", "line 1: the file is empty"), (b" \n\t\r\n", "line 1: the file is empty"), (b"\xef\xbb\xbf", "line 1: the file is empty"),
    (b"\0" * 50, "line 1: "), (b"\n\xff\xfe", "line 2: not UTF-8"), (good.encode("utf-16"), "line 1: not UTF-8"),
    (b"\xed\xa0\xbe", "line 1: not UTF-8"), (b"\n\n\x80", "line 3: not UTF-8"),
])
def test_files_that_hold_no_text(tmp_path, name, content, message):
    path = save(tmp_path, content, name)
    with pytest.raises(RecordError) as e: read_records(path)
    assert str(e.value).startswith(f"{path}, {message}")


@pytest.mark.parametrize("text, line", [("[]", 1), ("[\n]", 1), ("{}", 1), (good, 1), (f"[{good}", 1), (f"[{good}\n", 2), (f"[{good},]", 1),
                                        (f"[\n{good}\n{good}]", 3), (f"[\n{good}\n]\n[]", 3), ("[", 1), ("[\n\n", 3), ("null", 1)])
def test_lists_that_are_not(tmp_path, text, line):
    path = save(tmp_path, text, "data.json")
    with pytest.raises(RecordError) as e: read_records(path)
    assert str(e.value).startswith(f"{path}, line {line}: ")


@pytest.mark.parametrize("text", [f"{good} {good}", f"{good}]", f"[\n{good}\n]", "{\n" + good[1:]])
def test_lines_that_are_not(tmp_path, text):
    with pytest.raises(RecordError, match="data.jsonl, line 1: "): read_records(save(tmp_path, text))


def test_paths_that_are_not_files(tmp_path):
    (tmp_path/"folder.json").mkdir()
    with pytest.raises(RecordError, match="folder.json: a folder"): read_records(tmp_path/"folder.json")
    with pytest.raises(RecordError, match="none.json: no such file"): read_records(tmp_path/"none.json")
    with pytest.raises(RecordError, match="not '.csv'"): read_records(save(tmp_path, good, "data.csv"))
    with pytest.raises(RecordError, match="not ''"): read_records(save(tmp_path, good, "data"))
    with pytest.raises(RecordError): read_records(f"{tmp_path}/a\0b.json")
    with pytest.raises(RecordError): read_records(tmp_path/("x" * 5000 + ".json"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path/"pipe.jsonl")
    with pytest.raises(RecordError, match="a device"): read_records(tmp_path/"pipe.jsonl")


@pytest.mark.parametrize("text", [good, good + "\n", "\n\n" + good, good + "\r\n", "\ufeff" + good, "  " + good + "  "])
def test_harmless_differences_are_accepted(tmp_path, text): assert read_records(save(tmp_path, text)) == [record]


def test_other_keys_are_left_alone(tmp_path):
    assert read_records(save(tmp_path, '{"id": 7, "instruction": "Add.", "input": "3 4", "output": "7", "text": null}')) == [record]


def any_text(rng):
    pieces = ["a", "é", "🦙", "### Response:", "###", "\n", "\r\n", "\r", "\t", "\x0b", "\x1c", "\x85", "\u2028", "\u2029", "\ufeff", "\x7f", "\ufffe",
              '"', "\\", "\\u0000", "{instruction}", "{", "}", "<noinput>", "20.", ",", "]", " "]
    return "".join(rng.choices(pieces, k=rng.randrange(8)))


def any_records(seed, n=20):
    rng = random.Random(seed)
    return [Record(*(any_text(rng) for _ in fields(Record))) for _ in range(n)]


@both
@pytest.mark.parametrize("seed", range(25))
def test_there_and_back(tmp_path, name, seed):
    records = any_records(seed)
    write_records(iter(records), tmp_path/name)
    assert read_records(tmp_path/name) == read_seeds(tmp_path/name) == records
    assert json.loads((tmp_path/name).read_bytes().split(b"\n")[0].rstrip(b",") if name.endswith("l") else (tmp_path/name).read_bytes())


@pytest.mark.parametrize("seed", range(5))
def test_there_and_back_by_dataset(seed, tmp_path):
    records = any_records(seed)
    dataset = to_dataset(iter(records))
    assert from_dataset(dataset) == records and dataset.column_names == [f.name for f in fields(Record)]
    assert to_dataset([]).column_names == dataset.column_names
    write_records(records, tmp_path/"data.jsonl")
    from datasets import Dataset
    assert from_dataset(Dataset.from_list([json.loads(x) for x in (tmp_path/"data.jsonl").read_text().split("\n") if x])) == records


def test_a_dataset_with_holes_names_the_row():
    from datasets import Dataset
    with pytest.raises(RecordError, match="row 2.*'output' must be text, got NoneType"):
        from_dataset(Dataset.from_dict({"instruction": ["a", "b"], "output": ["c", None]}))
    with pytest.raises(RecordError, match="no 'output'"): from_dataset(Dataset.from_dict({"instruction": ["a"], "response": ["c"]}))


def test_published_seeds(tmp_path):
    seed = {"id": "seed_task_0", "instruction": "Add.", "instances": [{"input": "3 4", "output": "7"}, {"input": "", "output": "0"}]}
    assert read_seeds(save(tmp_path, json.dumps(seed))) == [record, Record("Add.", "", "0")]
    for wrong in [[], {}, None, ["7"], [{"input": "3"}], [{"output": 7}]]:
        with pytest.raises(RecordError, match="data.jsonl, line 2: "):
            read_seeds(save(tmp_path, good + "\n" + json.dumps({**seed, "instances": wrong})))


# ---- writing

def dies_half_way():
    yield record
    raise RuntimeError("the teacher went home")


@both
@pytest.mark.parametrize("bad, message", [(Record("Add.", 3), "must be text"), (Record("\ud83e"), "half a character"), (Record("a\0"), "NUL")])
def test_a_bad_record_changes_nothing(tmp_path, name, bad, message):
    write_records([record], tmp_path/name); before = (tmp_path/name).read_bytes()
    with pytest.raises(RecordError, match=f"{name}: not written: record 2 of 2: .*{message}"): write_records([record, bad], tmp_path/name)
    with pytest.raises(RecordError, match="no records"): write_records([], tmp_path/name)
    with pytest.raises(RuntimeError): write_records(dies_half_way(), tmp_path/name)
    assert (tmp_path/name).read_bytes() == before and os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_error_half_way_changes_nothing(tmp_path, monkeypatch, step, error):
    path = tmp_path/"data.jsonl"; write_records([record], path); before = path.read_bytes()
    def fail(*args): raise error
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(RecordError if isinstance(error, OSError) else KeyboardInterrupt): write_records([record] * 3, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["data.jsonl"]


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits on this system")
def test_a_full_disk_changes_nothing(tmp_path):
    "A process that may write no file over 2 KB stands for the full disk: the write fails in the middle, for real."
    path = tmp_path/"data.jsonl"; write_records([record], path); before = path.read_bytes()
    script = f"""
        import resource
        from alpaca_course.records import Record, RecordError, write_records
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
        try: write_records([Record("Add.", output="7" * 50)] * 1000, {str(path)!r})
        except RecordError as e: print(e)
    """
    done = subprocess.run([sys.executable, "-B", "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert "data.jsonl: not written (File too large)" in done.stdout, done.stderr
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["data.jsonl"]


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed differently on this system")
def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path/"data.jsonl"; write_records([record], path); before = path.read_bytes()
    script = f"""
        import os, signal
        from alpaca_course.records import Record, write_records
        os.replace = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
        write_records([Record("Add.", output="8")] * 9, {str(path)!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True)
    assert done.returncode == -9 and path.read_bytes() == before and read_records(path) == [record]


def test_a_link_stays_a_link_and_folders_must_exist(tmp_path):
    real = tmp_path/"real.jsonl"; write_records([record], real)
    (tmp_path/"link.jsonl").symlink_to(real)
    write_records([record] * 2, tmp_path/"link.jsonl")
    assert (tmp_path/"link.jsonl").is_symlink() and len(read_records(real)) == 2
    with pytest.raises(RecordError, match="there is no folder"): write_records([record], tmp_path/"none"/"data.json")
    with pytest.raises(RecordError, match="there is no folder"): write_records([record], real/"data.json")
    (tmp_path/"folder.json").mkdir()
    with pytest.raises(RecordError, match="not written"): write_records([record], tmp_path/"folder.json")


# ---- templates

def test_stanford_wording():
    "The published text, spelt out once more, so that a slip in the lesson cannot pass."
    without = ("Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
               "### Instruction:\nName a camel.\n\n### Response:")
    with_input = ("Below is an instruction that describes a task, paired with an input that provides further context. Write a response that "
                  "appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n3 4\n\n### Response:")
    alpaca, newline = get_template("alpaca"), get_template("alpaca-newline")
    assert alpaca.prompt(Record("Name a camel.")) == without and alpaca.prompt(record) == with_input
    assert newline.prompt(record) == with_input + "\n" and newline.prompt(Record("Name a camel.")) == without + "\n"


def test_hashes_are_stable_and_tell_templates_apart():
    "Hashes are stored with tuned models: a change here orphans every one of them."
    hashes = {t.name: t.hash for t in TEMPLATES.values()}
    assert hashes == {"alpaca": "2851d6505f3f", "alpaca-newline": "8a64ad99bc39", "chat": "6a7768fc97ec"}
    alpaca = get_template("alpaca")
    assert replace(alpaca, name="x").hash == alpaca.hash != replace(alpaca, response_end="\n").hash


def test_check_template_names_both_hashes():
    alpaca, chat = get_template("alpaca"), get_template("chat")
    saved = {"template": "alpaca", "template_hash": alpaca.hash}
    assert check_template(saved, alpaca) is None
    with pytest.raises(ValueError) as e: check_template(saved, chat)
    assert alpaca.hash in str(e.value) and chat.hash in str(e.value)
    for nothing in [{}, {"template": "alpaca"}, {"template_hash": None}]:
        with pytest.raises(ValueError): check_template(nothing, alpaca)


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_fields_reach_the_prompt_as_they_are(template):
    for r in any_records(3, 50):
        prompt = template.prompt(r)
        assert r.instruction in prompt and r.input in prompt and template.answer(r) == r.output + template.response_end


@pytest.mark.parametrize("form", ["no places", "{instruction", "{instruction} {0}", "{instruction.__class__}", "{}", "{output}{instruction}"])
def test_a_template_that_cannot_be_filled(form):
    with pytest.raises(ValueError): Template("bad", form + "{input}", form)


def test_unknown_template():
    with pytest.raises(ValueError, match="alpaca, alpaca-newline, chat"): get_template("vicuna")


def test_fingerprint_and_provenance():
    records = any_records(1)
    assert fingerprint(records) == fingerprint(iter(records)) and len(fingerprint(records)) == 12
    changed = [records[::-1], records[1:], records + [record]] + [[replace(records[0], **{f.name: "new"})] + records[1:] for f in fields(Record)]
    assert len({fingerprint(c) for c in [records, *changed]}) == len(changed) + 1
    assert fingerprint([Record("ab", "c")]) != fingerprint([Record("a", "bc")])
    assert provenance([record, record, replace(record, source="me", terms="CC0-1.0")]) == {("", ""): 2, ("me", "CC0-1.0"): 1}
    assert problem(record) == ""


def test_importing_records_is_light():
    "Neither torch nor datasets nor numpy comes with the records."
    script = "import sys, alpaca_course.records; print([m for m in ('torch', 'transformers', 'datasets', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "[]"


# ---- the exercises of the lesson

def test_folded_solutions_pass_their_checks(capsys):
    "Each solution folded into the lesson's prose, run on the check that stands above it."
    lesson = Path(__file__).parents[1]/"nbs"/"01_records.ipynb"
    if not lesson.exists(): pytest.skip("the lessons are not beside the tests")
    cells = ["".join(cell["source"]) for cell in json.loads(lesson.read_text(encoding="utf-8"))["cells"]]
    solutions = [cell.split("```python\n")[1].split("```")[0] for cell in cells if "<summary>Solution" in cell]
    assert len(solutions) == 2
    for solution in solutions:
        name = solution.split("(")[0].removeprefix("def ")
        names = dict(vars(records), test_fail=lambda *args, **kwargs: None)
        exec(next(cell for cell in cells if f"def check_{name}(" in cell) + "\n" + solution + f"\ncheck_{name}({name})", names)
