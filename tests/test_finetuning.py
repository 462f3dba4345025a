"""Fine-tuning where a notebook cannot look: processes that die, disks that fill, a Hub that does not answer."""
import contextlib, os, signal, socket, subprocess, sys, threading
from pathlib import Path
import pytest

pytest.importorskip("torch")
from safetensors.torch import load_file
from alpaca_course.bases import example_records, tiny_base
from alpaca_course.finetuning import load_tuned, read_card, tune
from alpaca_course.generation import generate_text, loss_on
from alpaca_course.records import Record, get_template

TEMPLATE, RECORDS = get_template("alpaca"), example_records(160)
LONG = 900 # seconds: generous, for machines that are busy

@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("base"), [TEMPLATE.prompt(r) + r.output for r in RECORDS])

def python(code, *arguments, **environment):
    "A running Python process; `alpaca_course` is imported from where this test imports it."
    root = str(Path(sys.modules["alpaca_course"].__file__).parent.parent)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root, **environment}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

def weights(folder): return {name: t for file in sorted(Path(folder).glob("*.safetensors")) for name, t in load_file(file).items()}

def same(a, b):
    a, b = weights(a), weights(b)
    return a.keys() == b.keys() and all((a[n] == b[n]).all() for n in a) and len(a) > 0

TUNE = """
import sys, time
from alpaca_course.bases import example_records
from alpaca_course.finetuning import tune
from alpaca_course.records import get_template
base, out, method, slow = sys.argv[1:]
tune(base, example_records(160), get_template("alpaca"), out, method=method, epochs=4, checkpoint_seconds=.05,
     on_progress=lambda step, steps, loss: (print(step, flush=True), time.sleep(float(slow))))
"""

@pytest.mark.parametrize("method, kill", [("full", signal.SIGKILL), ("lora", signal.SIGINT)])
def test_a_killed_run_goes_on_and_ends_with_the_same_weights(tiny, tmp_path, method, kill):
    process = python(TUNE, tiny, tmp_path/"killed", method, .05)
    while (line := process.stdout.readline().strip()) != "15": assert line, process.stderr.read()
    process.send_signal(kill)
    assert process.wait(LONG) != 0
    assert [p.name for p in (tmp_path/"killed").iterdir() if not p.name.startswith(".")] == ["checkpoint.safetensors"]
    steps = []
    card = tune(tiny, RECORDS, TEMPLATE, tmp_path/"killed", method=method, epochs=4, on_progress=lambda step, *_: steps.append(step))
    whole = tune(tiny, RECORDS, TEMPLATE, tmp_path/"whole", method=method, epochs=4)
    assert steps[0] > 1 and steps[-1] == card.steps == 40
    assert card.losses == whole.losses and same(tmp_path/"killed", tmp_path/"whole")
    assert not (tmp_path/"killed/checkpoint.safetensors").exists()

def test_another_setting_does_not_go_on_from_a_checkpoint(tiny, tmp_path):
    class Stop(Exception): pass
    def stop(step, *_):
        if step == 5: raise Stop
    with pytest.raises(Stop): tune(tiny, RECORDS, TEMPLATE, tmp_path, checkpoint_seconds=1e-9, on_progress=stop)
    with pytest.raises(ValueError, match="seed is 0 there, 1 here"): tune(tiny, RECORDS, TEMPLATE, tmp_path, seed=1)
    assert tune(tiny, RECORDS, TEMPLATE, tmp_path, seed=1, epochs=1, resume=False).steps == 10

FULL_DISK = """
import resource, signal, sys
from itertools import count
from types import SimpleNamespace
from alpaca_course import finetuning
from alpaca_course.bases import example_records
from alpaca_course.finetuning import tune
from alpaca_course.records import get_template
ticks = count()
finetuning.time = SimpleNamespace(perf_counter=lambda: next(ticks))  # a step takes two ticks and a checkpoint one, so the pause of twenty is ten steps on any machine
def fill(step, steps, loss):
    if step == 10: signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try: tune(sys.argv[1], example_records(160), get_template("alpaca"), sys.argv[2], epochs=2, checkpoint_seconds=float(sys.argv[3]), on_progress=fill)
except OSError as e: print(e); sys.exit(7)
"""

@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
@pytest.mark.parametrize("every, named", [(1e-9, "checkpoint.safetensors: not written"), (1e9, "the tuned model was not written")])
def test_a_full_disk_is_one_sentence_and_the_last_checkpoint_stays(tiny, tmp_path, every, named):
    process = python(FULL_DISK, tiny, tmp_path/"out", every)
    out, errors = process.communicate(timeout=LONG)
    assert process.returncode == 7, errors
    assert named in out and "free some space" in out and len(out.strip().splitlines()) == 1
    assert not (tmp_path/"out/alpaca_course.json").exists()
    steps = []
    tune(tiny, RECORDS, TEMPLATE, tmp_path/"out", epochs=2, on_progress=lambda step, *_: steps.append(step))
    tune(tiny, RECORDS, TEMPLATE, tmp_path/"whole", epochs=2)
    assert 1 < steps[0] <= 10 if every < 1 else steps[0] == 1  # checkpoints keep a pause that grows with what they cost
    assert same(tmp_path/"out", tmp_path/"whole")

LOAD = """
import sys, time
from alpaca_course.bases import load_base
started = time.perf_counter()
try: load_base(sys.argv[1])
except ValueError as e: print(f"{time.perf_counter() - started:.1f}|{e}")
"""

def load(name, folder, **environment):
    "Seconds and message of a load that fails, with an empty cache in `folder`."
    process = python(LOAD, name, HF_HOME=str(folder), **environment)
    out, errors = process.communicate(timeout=LONG)
    assert process.returncode == 0 and out, errors
    seconds, message = out.strip().split("|", 1)
    assert "\n" not in message and "Traceback" not in errors
    return float(seconds), message

def test_a_hub_name_offline_fails_at_once(tmp_path):
    seconds, message = load("meta-llama/Llama-3.2-1B", tmp_path, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE" in message and "Llama-3.2-1B" in message
    seconds, message = load("meta-llama/Llama-3.2-1B", tmp_path, HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9")
    assert "cannot be had from the Hugging Face Hub" in message

def listen(silent, asked, kept):
    "Note the first line of each request that comes, and never answer."
    with contextlib.suppress(OSError):  # the socket is closed: the test is over
        while True:
            kept.append(silent.accept()[0])
            asked.append(kept[-1].recv(4000).split(b"\r\n")[0])

def test_a_hub_that_does_not_answer_is_asked_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked, kept = [], []
        threading.Thread(target=listen, args=(silent, asked, kept), daemon=True).start()
        seconds, message = load("meta-llama/Llama-3.2-1B", tmp_path, HF_HUB_OFFLINE="0", HF_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}")
    for connection in kept: connection.close()
    assert "cannot be had from the Hugging Face Hub" in message and sum(b"/Llama-3.2-1B" in line for line in asked) == 1, (message, asked)

def test_a_tuned_model_writes_what_it_learnt_and_stops_and_lora_changes_its_mind(tiny, tmp_path):
    words = ["moon", "cup", "red", "seven"]
    asked, other = ([Record(f"Say {w}.", "", a) for w, a in zip(words, answers)] * 4 for answers in [words, words[::-1]])
    tune(tiny, asked, TEMPLATE, tmp_path/"full", epochs=60, learning_rate=5e-3, precision="float32")
    model, tokenizer = load_tuned(tmp_path/"full", TEMPLATE)
    assert generate_text(model, tokenizer, [TEMPLATE.prompt(r) for r in asked[:4]], max_new_tokens=20) == words
    tune(tmp_path/"full", other, TEMPLATE, tmp_path/"lora", method="lora", epochs=60, learning_rate=2e-2, precision="float32")
    assert loss_on(*load_tuned(tmp_path/"lora", TEMPLATE), other, TEMPLATE) < loss_on(model, tokenizer, other, TEMPLATE) - .5

def test_templates_and_bases_are_checked(tiny, tmp_path):
    tune(tiny, RECORDS[:16], TEMPLATE, tmp_path/"lora", method="lora", epochs=1)
    with pytest.raises(ValueError, match="tuned with template 'alpaca'"): load_tuned(tmp_path/"lora", get_template("alpaca-newline"))
    card = tmp_path/"lora/alpaca_course.json"
    card.write_text(card.read_text().replace(read_card(tmp_path/"lora").base_hash, "0" * 12))
    with pytest.raises(ValueError, match="tuned on a base with hash 000000000000"): load_tuned(tmp_path/"lora", TEMPLATE)
    card.write_text("[]")
    with pytest.raises(ValueError, match="not the card of a tuned model"): load_tuned(tmp_path/"lora", TEMPLATE)

def test_one_folder_holds_one_result(tiny, tmp_path):
    "A LoRA tuned into the folder of a full run leaves none of the full run's weights behind."
    tune(tiny, RECORDS[:16], TEMPLATE, tmp_path, epochs=1)
    tune(tiny, RECORDS[:16], TEMPLATE, tmp_path, method="lora", epochs=1)
    assert [p.name for p in tmp_path.glob("*.safetensors")] == ["adapter_model.safetensors"]
    tune(tiny, RECORDS[:16], TEMPLATE, tmp_path, epochs=1)
    assert [p.name for p in tmp_path.glob("*.safetensors")] == ["model.safetensors"] and not (tmp_path/"adapter_config.json").exists()
