// What was checked and what was found: a line for each, and the end's exit code.

const STORY_S = 90;

export class Report {
  constructor() {
    this.checked = 0;
    this.failed = [];
    this.left = [];
    this.began = Date.now();
  }

  /** Runs one story; an exception is its failure, and so are the problems it gives back. */
  async story(name, run) {
    const began = Date.now();
    let problems;
    try {
      problems = (await Promise.race([run(), tooLong()])) ?? [];
    } catch (error) {
      problems = [String(error.message ?? error).split("\n").slice(0, 3).join(" | ")];
    }
    this.checked += 1;
    for (const problem of new Set(problems)) this.failed.push(`${name}: ${problem}`);
    console.log(`${problems.length ? "FAIL" : "ok  "} ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    for (const problem of [...new Set(problems)].slice(0, 12)) console.log(`       ${problem}`);
  }

  /** Something that could not be looked at, and why. */
  skip(name, why) {
    this.left.push(name);
    console.log(`skip ${name}: ${why}`);
  }

  end() {
    const seconds = Math.round((Date.now() - this.began) / 1000);
    console.log(`\n${this.checked} stories, ${this.failed.length} problems, ${this.left.length} left out, ${seconds} s`);
    return this.failed.length ? 1 : 0;
  }
}

function tooLong() {
  return new Promise((_, reject) => { setTimeout(() => reject(new Error(`not done after ${STORY_S} s`)), STORY_S * 1000).unref(); });
}

/** Runs the jobs on a few lines at once. */
export async function together(jobs, lines = 2) {
  const waiting = jobs.slice();
  const line = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) await job();
  };
  await Promise.all(Array.from({ length: lines }, line));
}
