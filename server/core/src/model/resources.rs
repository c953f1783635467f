// SPDX-License-Identifier: Apache-2.0
//! Amounts of CPU and memory.

/// What a task reserves, or what a node has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Resources {
    /// Thousandths of one CPU.
    pub cpu_millis: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

impl Resources {
    /// Both amounts together.
    #[must_use]
    pub fn plus(self, other: Resources) -> Resources {
        Resources {
            cpu_millis: self.cpu_millis.saturating_add(other.cpu_millis),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
        }
    }

    /// What is left of `self` once `other` is taken away; never less than nothing.
    #[must_use]
    pub fn minus(self, other: Resources) -> Resources {
        Resources {
            cpu_millis: self.cpu_millis.saturating_sub(other.cpu_millis),
            memory_bytes: self.memory_bytes.saturating_sub(other.memory_bytes),
        }
    }
}

/// The most a task may use; 0 of anything: no limit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ResourceLimits {
    /// Thousandths of one CPU.
    pub cpu_millis: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
}
