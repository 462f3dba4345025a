"""The log alone: killed writers, a full disk, cuts at every byte, many threads, files of somebody else, and no heavy import."""
import json, os, random, signal, subprocess, sys, threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from alpaca_course.eventlog import EventLog, LogError, read_event, read_events, requests_of, verdicts_of

START = {'event': 'start', 'teacher': 't', 'settings': {}, 'seeds': []}

def request(n, text='x'): return dict(event='request', n=n, seeds=[], text=text, finish_reason='stop', prompt_tokens=1, completion_tokens=1)

def fill(path, events):
    with EventLog(path) as log:
        for event in events: log.append(event, wait=False)

WRITER = """
import sys
from itertools import count
from alpaca_course.eventlog import EventLog
with EventLog(sys.argv[1]) as log:
    if not log.events: log.append({'event': 'start', 'teacher': 't', 'settings': {}, 'seeds': []})
    for n in count(len(log.events[1:])):
        log.append(dict(event='request', n=n, seeds=[], text='x' * int(sys.argv[2]), finish_reason='stop', prompt_tokens=1, completion_tokens=1))
        print(n, flush=True)
"""

def writer(path, size=50, before=''): return subprocess.Popen([sys.executable, '-c', before + WRITER, str(path), str(size)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

def test_what_a_killed_writer_told_of_is_there(tmp_path):
    log, rng, told = tmp_path/'log.jsonl', random.Random(0), []
    for _ in range(8):
        process = writer(log, size=rng.choice([10, 5000, 300_000]))
        for _ in range(rng.randrange(1, 12)): told.append(int(process.stdout.readline()))
        process.kill()
        told += map(int, process.stdout)  # no line is torn: each is one write to a pipe, and `communicate` would pass over what readline has read ahead
        err = process.communicate()[1]
        assert process.returncode == -signal.SIGKILL, err
        assert set(requests_of(read_events(log))) >= set(told)
    numbers = [event['n'] for event in read_events(log)[1:]]
    assert numbers == list(range(len(numbers))) and told == sorted(set(told))

def test_a_full_disk_takes_the_event_back_whole(tmp_path):
    log = tmp_path/'log.jsonl'
    for size in (10, 700, 5000):
        log.unlink(missing_ok=True)
        out, err = writer(log, size, 'import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))').communicate()
        assert 'all earlier responses are safe there' in err.splitlines()[-1]
        assert log.read_bytes().endswith(b'}\n') and sorted(requests_of(read_events(log))) == [int(line) for line in out.split()]

def test_an_event_that_could_not_be_written_marks_the_log_as_broken(tmp_path, monkeypatch):
    write = os.write
    def half(fd, data):
        if b'request' in data: write(fd, data[:9]); raise OSError(28, 'No space left on device')
        return write(fd, data)
    with EventLog(tmp_path/'log.jsonl') as log:
        log.append(START)
        monkeypatch.setattr(os, 'write', half)
        with pytest.raises(LogError, match='No space left on device.*make room'): log.append(request(0))
        assert log.broken
    assert read_events(tmp_path/'log.jsonl') == [START]

def test_cut_at_every_byte_the_whole_lines_are_left(tmp_path):
    fill(tmp_path/'whole.jsonl', [START, *map(request, range(3)), {'event': 'stop', 'reason': 'enough'}])
    data, log = (tmp_path/'whole.jsonl').read_bytes(), tmp_path/'cut.jsonl'
    for cut in range(len(data) + 1):
        log.write_bytes(data[:cut])
        with EventLog(log) as opened: assert len(opened.events) == data[:cut].count(b'\n'), cut
        assert log.read_bytes() == data[:data[:cut].rfind(b'\n') + 1], cut

@pytest.mark.parametrize('text', ['my thesis', 'my thesis\n', '{"event": "stop"', '{"event": "stop", "reason": ""}\n', '\0', '[[[[' * 9999 + '\n', '\n', '{"event": "start"}\n'])
def test_a_file_that_is_no_log_is_left_alone(tmp_path, text):
    log = tmp_path/'log.jsonl'
    log.write_text(text)
    with pytest.raises(LogError, match='log'): EventLog(log)
    assert log.read_text() == text
    log.write_text('')
    with EventLog(log) as opened: assert opened.events == []  # and the lock of the refused one is gone

def test_not_utf8_names_the_line(tmp_path):
    log = tmp_path/'log.jsonl'
    log.write_bytes(json.dumps(START).encode() + b'\n\xff\xfe\n')
    with pytest.raises(LogError, match='line 2'): read_events(log)

def test_texts_with_line_ends_and_half_characters_come_back(tmp_path):
    texts = ['a\nb\r\nc', '\u2028\u2029\x85', '\ud800', '\0', 'Poopó', '"\\']
    fill(tmp_path/'log.jsonl', [START, *(request(n, text) for n, text in enumerate(texts))])
    assert [event['text'] for event in read_events(tmp_path/'log.jsonl')[1:]] == texts

@pytest.mark.parametrize('event, lacking', [({'event': 'start', 'seeds': [], 'teacher': 't'}, 'settings'), ({'event': 'call', 'wanted': 1, 'max_requests': 1, 'patience': 1, 'floor': 1}, 'first'),
                                            ({'event': 'request', 'n': 1, 'error': 'timeout'}, 'seeds'), ({'event': 'verdict', 'n': 1}, 'tasks'), ({'event': 'reserve', 'n': 1}, 'tokens'), ({'event': 'stop'}, 'reason')])
def test_an_event_without_what_its_kind_needs_is_refused(event, lacking):
    with pytest.raises(ValueError, match=f"a '{event['event']}' event without '{lacking}'"): read_event(json.dumps(event).encode())

def test_a_failed_request_needs_no_reply(): assert read_event(b'{"event": "request", "n": 1, "seeds": [], "error": "timeout"}')['error'] == 'timeout'

def test_threads_do_not_mix_their_lines(tmp_path):
    gate = threading.Barrier(8)
    with EventLog(tmp_path/'log.jsonl') as log, ThreadPoolExecutor(8) as pool:
        log.append(START)
        def work(i):
            gate.wait()
            for n in range(i, 400, 8): log.append(request(n, 'y' * random.Random(n).randrange(20_000)), wait=False)
        list(pool.map(work, range(8)))
    assert sorted(requests_of(read_events(tmp_path/'log.jsonl'))) == list(range(400))

def test_two_openers_in_one_process_and_in_two(tmp_path):
    log = tmp_path/'log.jsonl'
    with EventLog(log):
        with pytest.raises(LogError, match='another process'): EventLog(log)
        out, err = writer(log).communicate()
        assert 'another process is writing this log' in err and out == ''
    process = writer(log)
    process.stdout.readline()
    with pytest.raises(LogError, match='another process'): EventLog(log)
    process.kill(); process.communicate()
    with EventLog(log) as opened: assert opened.events[0] == START

def test_the_first_of_two_requests_and_the_last_of_two_verdicts_count():
    events = [request(3, 'a'), dict(event='verdict', n=3, tasks=[['kept', 'a']]), request(3, 'b'), dict(event='verdict', n=3, tasks=[['kept', 'a'], ['empty', '']])]
    assert requests_of(events) == {3: events[0]} and verdicts_of(events) == {3: events[3]['tasks']}

@pytest.mark.parametrize('module', ['eventlog', 'parsing'])
def test_these_two_know_nothing_of_the_loop(module):
    "A program that only reads logs or lists need not load the teacher, the server or the loop."
    code = f'import sys, alpaca_course.{module}; print(sorted(name for name in sys.modules if name.startswith("alpaca_course.")))'
    loaded = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    assert f'alpaca_course.{module}' in loaded
    for other in ('selfinstruct', 'teacher', 'scripted', 'threestep'): assert f'alpaca_course.{other}' not in loaded
