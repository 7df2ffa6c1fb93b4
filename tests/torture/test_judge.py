#!/usr/bin/env python3
"""Plants each kind of wrong into a history and expects it to be found, and nothing else."""

import os
import re
import tempfile
import unittest

import history
import judge


class Run:
    """The folder `ops` of a run, written line by line."""

    def __init__(self, folder):
        self.folder = folder
        self.time = 0

    def line(self, file, *words):
        self.time += 1
        with open(os.path.join(self.folder, file), "a", encoding="ascii") as log:
            log.write(" ".join(str(word) for word in (self.time, *words)) + "\n")

    def publish(self, value, sequence, outcome="ok"):
        self.line("produce.q.p1", "invoke", "enqueue", value)
        if outcome:
            told = [f"seq={sequence}"] if outcome == "ok" else []
            self.line("produce.q.p1", outcome, "enqueue", value, *told)

    def deliver(self, value, sequence, *details, who="consume.q.default.c1"):
        self.line(who, "ok", "dequeue", value, f"seq={sequence}", *details)

    def settle(self, value, sequence, f="ack", outcome="ok", attempt=1,
               who="consume.q.default.c1"):
        self.line(who, "invoke", f, value, f"seq={sequence}", f"attempt={attempt}")
        if outcome:
            self.line(who, outcome, f, value, f"seq={sequence}", f"attempt={attempt}")

    def whole(self, value, sequence):
        self.publish(value, sequence)
        self.deliver(value, sequence)
        self.settle(value, sequence)


class JudgeTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.run_ = Run(self.temporary.name)
        self.run_.whole("a", 1)

    def found(self):
        report = judge.judge_folder(self.temporary.name)
        found = {name for name in judge.MUST_BE_EMPTY if report[name]}
        self.assertEqual(report["good"], not found)
        return found

    def report(self):
        return judge.judge_folder(self.temporary.name)

    def test_a_good_run_is_good(self):
        self.assertEqual(self.found(), set())

    def test_lost(self):
        self.run_.publish("b", 2)
        self.assertEqual(self.found(), {"lost"})

    def test_an_answer_that_died_is_no_loss(self):
        self.run_.publish("b", 2, outcome="info")
        self.run_.publish("c", 3, outcome=None)
        self.assertEqual(self.found(), set())

    def test_what_was_delivered_once_and_never_settled_is_lost_too(self):
        self.run_.publish("b", 2)
        self.run_.deliver("b", 2)
        self.run_.settle("b", 2, f="release")
        self.assertEqual(self.found(), {"unsettled"})

    def test_an_ack_that_nobody_heard_of_may_be_committed(self):
        for value, sequence, outcome in (("b", 2, "info"), ("c", 3, None)):
            self.run_.publish(value, sequence)
            self.run_.deliver(value, sequence)
            self.run_.settle(value, sequence, outcome=outcome)
        self.assertEqual(self.found(), set())

    def test_a_refused_ack_is_none(self):
        self.run_.publish("b", 2)
        self.run_.deliver("b", 2)
        self.run_.settle("b", 2, outcome="fail")
        self.assertEqual(self.found(), {"unsettled"})

    def test_unexpected(self):
        self.run_.deliver("b", 2)
        self.assertEqual(self.found(), {"unexpected"})

    def test_refused_and_delivered_all_the_same(self):
        self.run_.publish("b", 2, outcome="fail")
        self.run_.deliver("b", 2)
        self.assertEqual(self.found(), {"refused"})

    def test_recovered(self):
        self.run_.publish("b", 2, outcome="info")
        self.run_.deliver("b", 2)
        self.assertEqual(self.found(), set())
        self.assertEqual(self.report()["recovered"], 1)

    def test_stored_twice(self):
        self.run_.publish("b", 2)
        self.run_.deliver("b", 2)
        self.run_.deliver("b", 3)
        self.run_.settle("b", 3)
        self.assertEqual(self.found(), {"stored_twice"})

    def test_misplaced(self):
        self.run_.publish("b", 2)
        self.run_.deliver("b", 3)
        self.run_.settle("b", 3)
        self.assertEqual(self.found(), {"misplaced"})

    def test_a_redelivery_is_counted(self):
        self.run_.publish("b", 2)
        self.run_.deliver("b", 2)
        self.run_.settle("b", 2, f="failed")
        self.run_.deliver("b", 2)
        self.run_.settle("b", 2, attempt=2)
        self.assertEqual(self.found(), set())
        self.assertEqual(self.report()["duplicated"], 1)

    def test_settled_twice(self):
        self.run_.deliver("a", 1)
        self.run_.settle("a", 1)
        self.assertEqual(self.found(), {"settled_twice"})

    def test_corrupt_and_early(self):
        self.run_.deliver("?", 2, "corrupt=1")
        self.run_.deliver("a", 1, "early=20")
        self.assertEqual(self.found(), {"corrupt", "early"})

    def test_nothing_is_early_by_a_clock_that_jumps(self):
        self.run_.deliver("a", 1, "early=20")
        self.run_.line("nemesis", "step-clock", 3600)
        self.assertEqual(self.found(), set())

    def test_a_forgotten_failure(self):
        self.run_.publish("b", 2)
        self.run_.deliver("b", 2)
        self.run_.settle("b", 2, f="failed")
        self.run_.deliver("b", 2)
        self.run_.settle("b", 2, attempt=1)
        self.assertEqual(self.found(), {"forgotten"})
        # A redrive begins to count anew.
        self.run_.line("nemesis", "redrive", "q")
        self.assertEqual(self.found(), set())

    def test_a_dead_letter_is_settled_where_it_lies(self):
        self.run_.publish("b", 2)
        self.run_.deliver("b", 2)
        self.run_.settle("b", 2, f="reject")
        self.run_.deliver("b", 2, who="dead.q.default.d1")
        self.run_.settle("b", 2, who="dead.q.default.d1")
        self.assertEqual(self.found(), set())

    def test_a_line_that_a_kill_cut_is_passed_over(self):
        with open(os.path.join(self.temporary.name, "produce.q.p1"), "a", encoding="ascii") as log:
            log.write("99 ok enque")
        self.assertEqual(self.found(), set())

    def test_each_subscription_needs_it(self):
        self.run_.deliver("a", 1, who="consume.q.other.c2")
        self.run_.settle("a", 1, who="consume.q.other.c2")
        self.assertEqual(self.found(), set())
        self.run_.publish("b", 2)
        self.run_.deliver("b", 2)
        self.run_.settle("b", 2)
        self.assertEqual(self.found(), {"lost"})


class EdnTest(unittest.TestCase):
    def edn(self, fill):
        with tempfile.TemporaryDirectory() as folder:
            run = Run(folder)
            fill(run)
            target = os.path.join(folder, "edn")
            history.write_all_edn(folder, target)
            with open(os.path.join(target, "q.default.edn"), encoding="ascii") as lines:
                return lines.read().splitlines()

    def test_the_lines_are_jepsens(self):
        def fill(run):
            run.whole("a", 1)
            run.line("nemesis", "kill-broker")
            run.deliver("a", 1, who="consume.q.default.drain1")

        self.assertEqual(self.edn(fill), [
            '{:index 0, :time 1, :type :invoke, :process 0, :f :enqueue, :value "a"}',
            '{:index 1, :time 2, :type :ok, :process 0, :f :enqueue, :value "a"}',
            '{:index 2, :time 3, :type :invoke, :process 0, :f :dequeue, :value nil}',
            '{:index 3, :time 3, :type :ok, :process 0, :f :dequeue, :value "a"}',
            '{:index 4, :time 6, :type :info, :process :nemesis, :f :kill-broker, :value nil}',
            '{:index 5, :time 7, :type :invoke, :process 0, :f :drain, :value nil}',
            '{:index 6, :time 7, :type :ok, :process 0, :f :drain, :value ["a"]}',
        ])

    def test_what_is_acknowledged_is_asked_for_once(self):
        def fill(run):
            run.publish("a", 1)
            run.line("produce.q.p2", "invoke", "enqueue", "a")
            run.line("produce.q.p2", "ok", "enqueue", "a", "seq=1", "duplicate=1")
            run.deliver("a", 1)

        self.assertEqual(sum("enqueue" in line for line in self.edn(fill)), 2)

    def test_no_process_has_two_operations_or_goes_on_after_info(self):
        def fill(run):
            for number in range(4):
                run.line("produce.q.p1", "invoke", "enqueue", f"v{number}")
            run.line("produce.q.p1", "info", "enqueue", "v0")
            run.line("produce.q.p1", "ok", "enqueue", "v1", "seq=1")
            for number in range(4, 7):
                run.line("produce.q.p1", "invoke", "enqueue", f"v{number}")
            run.deliver("v1", 1)

        busy, ended = set(), set()
        for line in self.edn(fill):
            kind, process = re.search(r":type :(\w+), :process (\d+)", line).groups()
            self.assertNotIn(process, ended)
            self.assertEqual(process in busy, kind != "invoke")
            (busy.add if kind == "invoke" else busy.discard)(process)
            if kind == "info":
                ended.add(process)
        self.assertFalse(busy)


if __name__ == "__main__":
    unittest.main()
