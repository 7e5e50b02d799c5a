"""The benchmark measures what it says: every row really runs, both sides do the same work, in the same way.

No test looks at how fast anything is: that says more about the machine's other work than about the code.
"""

import json
import math
import statistics
from dataclasses import replace

import pytest
import torch
from llvmlite.binding import get_host_cpu_features
from safetensors.torch import load_file, save_file

from tests.vectors import folders, tiny
from vectors.bench import engine_rows, machine, peer_llamacpp
from vectors.bench.peer_llamacpp import LlamaCpp
from vectors.bench.peers_hf import HfPeer, never_ending
from vectors.bench.report import RowResult
from vectors.bench.table import ENGINE, ROW_NAMES, ROWS, RowSpec, Side
from vectors.bench.traces import Clock, Job, Trace, serve, trace_of
from vectors.bench.workloads import Workloads
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import GenerationFault, PeerUnavailable
from vectors.models.loading import load_model
from vectors.steering.intervention import Intervention

NEEDS_LLAMACPP = {row.name for row in ROWS if row.peer.who == "llama.cpp"}
INT8 = {row.name for row in ROWS if row.ours.dtype == "int8"} - NEEDS_LLAMACPP
NOT_HERE = set() if get_host_cpu_features().get("avx512vnni") else INT8
CONTEXT = 4096  # the longest row needs 2,049 tokens, and a tiny model has 512
BLOCKS = 2  # half of a tiny model's: thousands of steps of `generate` are what takes the time here


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model in a folder, whose context holds every row."""
    path = tmp_path_factory.mktemp("bench") / "tiny"
    folders.save(path)
    config = json.loads((path / "config.json").read_text())
    config |= {"max_position_embeddings": CONTEXT, "num_hidden_layers": BLOCKS}
    (path / "config.json").write_text(json.dumps(config))
    weights = load_file(path / "model.safetensors")
    left_out = tuple(f"model.layers.{block}." for block in range(BLOCKS, tiny.LAYERS))
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith(left_out)}
    save_file(kept, path / "model.safetensors", metadata={"format": "pt"})
    return path


@pytest.fixture(scope="module")
def report(folder, tmp_path_factory):
    """One run of every row."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return engine_rows.run(str(folder), cache=tmp_path_factory.mktemp("cache"), repeats=1)
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def peer(folder):
    return HfPeer(folder, torch.float32, "cpu")


@pytest.fixture(scope="module")
def engine(folder):
    """An engine on the same model, for which the end of sequence is a token like any other."""
    lm = load_model(str(folder), cache=folder / "unused", dtype=torch.float32)
    never_ending(lm.model)
    lm.tokenizer = lm.tokenizer.without("eos_token")
    with Engine(lm.model, lm.tokenizer, endless=True) as engine:
        yield engine


@pytest.fixture(scope="module")
def workloads(folder, peer):
    return Workloads.of(peer.model, lambda text: list(text.encode()), tiny.WIDTH)


def test_the_report_has_every_row_of_the_table_once_and_in_order(report):
    assert [row.spec.name for row in report.rows] == list(ROW_NAMES)
    assert len(set(ROW_NAMES)) == len(ROW_NAMES)


def test_every_row_whose_peer_is_there_has_run_and_its_ratio_is_that_of_its_two_rates(report):
    measured = [row for row in report.rows if row.absent is None]
    assert {row.spec.name for row in measured} == set(ROW_NAMES) - NEEDS_LLAMACPP - NOT_HERE
    for row in measured:
        assert len(row.ratios) == 1
        assert row.value == pytest.approx(row.ours_tokens_per_s / row.peer_tokens_per_s)
        assert 0 < row.value < math.inf


def test_rows_without_their_peer_say_why(report):
    for row in report.rows:
        if row.spec.name in NEEDS_LLAMACPP:
            assert row.value is None and row.met is None
            assert "--install-peers" in row.absent or "AVX512-VNNI" in row.absent


def test_the_engine_gives_the_tokens_of_steered_generates_in_every_row_that_claims_it(report):
    checked = {row.spec.name: row.agreement for row in report.rows if row.agreement}
    assert set(checked) == {spec.name for spec in ROWS if spec.same_tokens}
    assert checked["mixed16_vs_sequential_hf_fp32"].rows == 16
    assert checked["sweep66_fp32"].rows == 66
    assert checked["sweep66_fp32"].steered_rows == 55
    for agreement in checked.values():
        assert agreement.same_tokens == agreement.rows
        assert agreement.changed_by_steering > agreement.steered_rows // 2


def test_the_document_is_json_with_what_a_reader_of_ratios_needs(report):
    document = json.loads(json.dumps(report.document()))
    assert set(document) == {"machine", "model", "interrupted", "rows"}
    assert {"processor", "cores", "flags", "memory_gib", "read_gb_per_s", "torch", "threads"} <= set(
        document["machine"]
    )
    for row in document["rows"]:
        assert {"name", "value", "target", "n", "spread", "ours", "peer"} <= set(row)
        if row["absent"] is None:
            assert row["spread"][0] <= row["value"] <= row["spread"][1]


def test_a_row_that_exceeds_the_context_is_absent_and_the_others_run(tmp_path):
    folders.save(tmp_path / "small")
    rows = ("three_nodes_fp32", "single_vs_hf_fp32")
    report = engine_rows.run(str(tmp_path / "small"), cache=tmp_path, rows=rows, repeats=1)
    single, three = sorted(report.rows, key=lambda row: row.spec.name)
    assert str(tiny.CONTEXT) in three.absent
    assert single.absent is None and single.value > 0


def test_ratios_are_taken_within_a_repetition_and_summed_up_by_their_median():
    spec = RowSpec("any", "single", ENGINE, Side("hf sequential"), target=2)
    row = RowResult(spec, (1.0, 4.0, 2.5))
    assert (row.value, row.spread, row.met) == (statistics.median((1.0, 4.0, 2.5)), (1.0, 4.0), True)


def test_the_peer_is_steered_as_the_independent_oracle_is(folder, peer, workloads):
    job = workloads.job("mixed16", 0).first(4)
    served = peer.serve(job)
    for request, given in zip(job.requests, served.token_ids, strict=True):
        wanted = tiny.hf_generate(peer.model, request.prompt_ids, request.steering, len(given))
        assert list(given) == wanted


def test_the_peers_hooks_are_gone_after_a_job(peer, workloads):
    job = workloads.job("single", 0)
    before = peer.serve(job.unsteered()).token_ids
    assert peer.serve(job).token_ids != before
    assert peer.serve(job.unsteered()).token_ids == before


def test_one_padded_batch_of_the_peer_gives_each_row_what_it_gets_alone(peer, workloads):
    job = workloads.job("mixed16", 0).first(4).unsteered()
    assert peer.serve_batch(job).token_ids == peer.serve(job).token_ids


def test_every_token_of_a_served_job_has_its_moment(peer, workloads, engine):
    job = workloads.job("mixed16", 0).first(4)
    traces = [serve(engine, job), peer.serve(job), peer.serve_batch(job.unsteered())]
    for trace in traces:
        assert [len(times) for times in trace.times_s] == [len(ids) for ids in trace.token_ids]
        for times in trace.times_s:
            assert times[0] > 0 and list(times) == sorted(times) and times[-1] <= trace.ended_s


def test_a_request_is_not_served_before_it_arrives(peer, workloads, engine):
    request = workloads.job("single", 0).requests[0]
    job = Job((request, request), arrivals_s=(0.0, 0.4))
    for trace in (serve(engine, job), peer.serve(job)):
        assert trace.times_s[1][0] > 0.4


def test_requests_in_turn_do_not_overlap(workloads, engine):
    job = replace(workloads.job("mixed16", 0).first(3), in_turn=True)
    times = serve(engine, job).times_s
    assert times[0][-1] < times[1][0] and times[1][-1] < times[2][0]


def test_rates_count_what_they_are_named_for():
    trace = Trace((10, 30), ((1, 2, 3), (4, 5, 6)), ((1.0, 3.0, 4.0), (2.0, 3.0, 4.0)), 5.0)
    assert trace.whole_rate() == 6 / 5
    assert trace.decode_rate() == 4 / (4 - 2)
    assert trace.prefill_rate() == 40 / 2


def test_a_server_that_stopped_early_has_no_rate():
    job = Job((GenerationRequest((1,), sampling=Sampling(3)),))
    with pytest.raises(GenerationFault, match="2 of 3"):
        trace_of(job, [[5, 6]], [[0.1, 0.2]], 0.2)


def test_a_repetition_has_the_same_requests_for_both_sides_and_others_than_the_next(workloads):
    for name in {spec.workload for spec in ROWS}:
        again, first, other = (workloads.job(name, repetition) for repetition in (0, 0, 1))
        prompts = [request.prompt_ids for request in first.requests]
        assert [request.prompt_ids for request in again.requests] == prompts
        for mine, theirs in zip(again.requests, first.requests, strict=True):
            if mine.steering:
                assert torch.equal(mine.steering[0].delta(), theirs.steering[0].delta())
        assert not {ids[:32] for ids in prompts} & {each.prompt_ids[:32] for each in other.requests}


def test_repetitions_are_the_same_amount_of_work(workloads):
    for name in {spec.workload for spec in ROWS}:
        amounts = {
            (
                sum(len(r.prompt_ids) for r in job.requests),
                sum(r.sampling.max_new_tokens for r in job.requests),
            )
            for job in (workloads.job(name, repetition) for repetition in range(3))
        }
        assert len(amounts) == 1


def test_mixed_rows_have_vectors_of_their_own_and_a_fifth_to_a_half_of_the_residual_norm(workloads):
    steerings = [request.steering[0] for request in workloads.job("mixed16", 0).requests]
    shares = [each.alpha / float(workloads.residual_norms[each.layer]) for each in steerings]
    assert min(shares) == pytest.approx(0.2) and max(shares) == pytest.approx(0.5)
    assert len({each.vector.numpy().tobytes() for each in steerings}) == 16


def test_memory_is_read_at_a_bandwidth_that_a_machine_can_have():
    assert 0 < machine.read_bandwidth("cpu") < 1e13


def test_a_share_of_the_bandwidth_counts_the_output_head_and_not_the_embedding(report):
    gate, qkv_and_out = 3 * 64 * 128, 64 * (64 + 2 * 32) + 64 * 64
    weights = BLOCKS * (gate + qkv_and_out) + tiny.VOCAB * 64
    assert (
        report.model["dense_weight_bytes_per_token"]
        == weights * getattr(torch, report.model["best_dtype"]).itemsize
    )


def test_a_machine_is_busy_when_others_had_more_than_a_quarter_of_it():
    facts = dict.fromkeys(machine.Machine.__dataclass_fields__, "") | {"cores": 4}
    assert machine.Machine(**facts | {"load_average": 1.1}).busy
    assert not machine.Machine(**facts | {"load_average": 0.9}).busy


def test_llama_cpp_is_only_compared_on_the_file_it_can_read(tmp_path):
    (tmp_path / "peers" / "llamacpp").mkdir(parents=True)
    (tmp_path / "peers" / "llamacpp" / "complete").touch()
    with pytest.raises(PeerUnavailable, match="GGUF"):
        LlamaCpp(tmp_path, "qwen3-0.6b")


def test_a_driver_that_fails_is_reported_with_its_last_word(tmp_path):
    folder = tmp_path / "peers" / "llamacpp"
    (folder / "bin").mkdir(parents=True)
    (folder / "complete").touch()
    (folder / "bin" / "python").write_text("#!/bin/sh\necho first >&2\necho 'no such file' >&2\nexit 3\n")
    (folder / "bin" / "python").chmod(0o755)
    job = Job((GenerationRequest((1,), sampling=Sampling(3)),))
    with pytest.raises(PeerUnavailable, match="3: no such file"):
        LlamaCpp(tmp_path, "smollm2-135m").serve(job)


@pytest.mark.real_model
def test_llama_cpp_steers_as_the_engine_does(cache_dir, smollm2):
    """Both begin the same text from the same weights, and another one than without the vector."""
    if not (cache_dir / "peers" / "llamacpp" / "complete").exists():
        pytest.skip("llama.cpp is not installed; `orchestrate bench engine --install-peers` builds it")
    prompt = tuple(smollm2.encode("import os\n\n\ndef list_files(folder):\n    ", begins=True))
    steering = tiny.steer(smollm2.model, 15, 0.5, seed=3)
    request = GenerationRequest(prompt, steering, Sampling(4))
    llama = LlamaCpp(cache_dir, "smollm2-135m")
    given, bare = (llama.serve(job).token_ids[0] for job in (Job((request,)), Job((request,)).unsteered()))
    assert list(given) == tiny.hf_generate(smollm2.model, prompt, steering, 4)
    assert given != bare


def test_moments_are_counted_from_the_start_of_the_job():
    clock = Clock()
    clock.sleep_until(0.05)
    assert clock.now() >= 0.05
    clock.sleep_until(0.0)


def test_installing_again_does_nothing(tmp_path):
    folder = tmp_path / "peers" / "llamacpp"
    folder.mkdir(parents=True)
    (folder / "complete").touch()
    told = []
    peer_llamacpp.install(tmp_path, lambda *facts: told.append(facts))
    assert told == [] and list(folder.iterdir()) == [folder / "complete"]


def test_a_steering_that_the_peer_cannot_express_is_refused(peer):
    steering = (Intervention(tiny.random_vector(0), 1, 1.0, operation="multiply"),)
    with pytest.raises(AssertionError):
        peer.serve(Job((GenerationRequest((1, 2), steering, Sampling(2)),)))
