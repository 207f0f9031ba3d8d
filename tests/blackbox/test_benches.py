"""What benches/run makes of the rows that benchmarks tell; no benchmark is run."""
import importlib.machinery, importlib.util, os, unittest, xml.etree.ElementTree as ElementTree

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "benches", "run")
NAMES = {"svg": "http://www.w3.org/2000/svg"}


def load():
    loader = importlib.machinery.SourceFileLoader("benches_run", PATH)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("benches_run", loader))
    loader.exec_module(module)
    return module


def row(**changed):
    made = {"id": "P1", "what": "settle, 32 in flight", "measured": 12345.6, "baseline": 20000.0, "unit": "sales/s", "goal": "≥ 60 %",
            "value": 0.617, "bound": 0.6, "at_least": True, "wrong": 0, "reached": True}
    return made | changed


BOUND = row(id="P5", what="memory <idle> & \"quiet\"", measured=31.4, baseline=None, unit="MB", goal="≤ 25 MB", value=31.4, bound=25.0, at_least=False, reached=False)


class Benches(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.run_ = load()

    def test_the_first_line_of_a_benchmark_names_its_rows(self):
        named = self.run_.rows_named
        self.assertEqual(named("//! P3: from a notice to its success, against P1\n"), ["P3"])
        self.assertEqual(named("//! P9, P10 and P11: a shop that has grown\n"), ["P9", "P10", "P11"])
        self.assertEqual(named("//! P9–P11: a shop that has grown\n"), ["P9", "P10", "P11"])
        self.assertEqual(named("//! P8 of the catalogue\n"), ["P8"])
        self.assertEqual(named("//! The flash sale\n"), [])

    def test_rows_and_names_choose_benchmarks_and_an_unknown_one_is_said(self):
        found, rows = {"settle": True, "growth": True, "rush": True}, {"settle": ["P1"], "growth": ["P9", "P10"], "rush": ["rush"]}
        self.assertEqual(self.run_.chosen(found, rows, []), ["settle", "growth", "rush"])
        self.assertEqual(self.run_.chosen(found, rows, ["rush", "p10", "P9"]), ["growth", "rush"])
        with self.assertRaisesRegex(SystemExit, "P99: there are P1, P9, P10, growth"):
            self.run_.chosen(found, rows, ["P99"])

    def test_the_table_stands_in_columns_and_says_what_is_reached_missed_and_wrong(self):
        lines = self.run_.table([row(), BOUND, row(id="P11", wrong=2, reached=False)]).splitlines()
        self.assertRegex(lines[2], r"^P1   settle, 32 in flight +≥ 60 %  +12,346 +20,000 +sales/s +0\.62 ×  reached$")
        self.assertRegex(lines[3], r"≤ 25 MB +31\.4 +– +MB +missed$")
        self.assertRegex(lines[4], r"WRONG$")
        self.assertEqual(len({line.index(word) for line, word in zip(lines[2:], ("≥", "≤", "≥"))}), 1)

    def test_a_score_of_one_is_a_goal_just_reached_whichever_way_it_goes(self):
        self.assertAlmostEqual(self.run_.score(row(value=0.6)), 1)
        self.assertAlmostEqual(self.run_.score(row(value=0.3)), 0.5)
        self.assertAlmostEqual(self.run_.score(BOUND | {"value": 12.5}), 2)
        self.assertGreater(self.run_.score(BOUND | {"value": 0.0}), 1)

    def test_the_plot_is_a_picture_of_each_row_with_text_as_text_in_light_and_dark(self):
        drawn = self.run_.plot([row(), BOUND, row(id="P6", value=1e9), row(id="P7", value=0.0, reached=False)], "2026-11-22")
        root = ElementTree.fromstring(drawn)
        bars = [bar for bar in root.iterfind("svg:rect", NAMES) if bar.get("class") in ("reached", "missed")]
        self.assertEqual([bar.get("class") for bar in bars], ["reached", "missed", "reached", "missed"])
        widths = [float(bar.get("width")) for bar in bars]
        goal = next(float(line.get("x1")) - float(bars[0].get("x")) for line in root.iterfind("svg:line", NAMES) if line.get("class") == "goal")
        self.assertGreaterEqual(widths[0], goal)
        self.assertLess(widths[1], goal)
        right = float(root.get("width"))
        self.assertTrue(all(float(bar.get("x")) + float(bar.get("width")) < right for bar in bars), "a bar leaves the picture")
        words = [text.text for text in root.iterfind("svg:text", NAMES)]
        self.assertIn("memory <idle> & \"quiet\"", words)
        self.assertIn("31.4 MB, goal ≤ 25 MB: missed", words)
        self.assertIn("prefers-color-scheme: dark", root.find("svg:style", NAMES).text)


if __name__ == "__main__":
    unittest.main()
