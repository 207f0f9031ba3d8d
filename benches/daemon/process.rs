//! The real binary's process, and what the kernel says of one.

use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

/// The running binary, killed when it is dropped.
pub struct Daemon(Child);

impl Daemon {
    /// Starts it.
    pub fn start(mut command: Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ends it without a word.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Ends it in order.
    pub fn stop(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }

    /// A figure of its `/proc/PID/status` in bytes, as `VmHWM`.
    pub fn memory(&self, name: &str) -> f64 {
        memory(self.id(), name)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A figure of a process's `/proc/PID/status` in bytes.
pub fn memory(process: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib = line.split_whitespace().nth(1).unwrap();
    kib.parse::<f64>().unwrap() * 1_024.0
}

/// Seconds that a process and its children have had a processor.
pub fn processor_s(process: u32) -> f64 {
    // Which Linux has told everybody in hundredths of a second since its beginnings.
    const TICKS_IN_A_SECOND: f64 = 100.0;
    let of = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // Behind the name, which may hold anything: state, parent, and from the 12th on the times of user and system.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let is_of_it = id == process || fields[1] == process.to_string();
        let ticks: f64 = fields[11].parse::<f64>().ok()? + fields[12].parse::<f64>().ok()?;
        is_of_it.then_some(ticks)
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(of).sum::<f64>() / TICKS_IN_A_SECOND
}
