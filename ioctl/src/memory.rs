//! How malloc shares out memory: mallopt(3).

/// Keeps malloc from giving each thread an arena of its own, of which each keeps what its threads once needed.
/// To be called before the second thread starts.
pub fn few_arenas() {
    #[cfg(target_env = "gnu")]
    {
        // One for the threads that wait, one for the thread that works meanwhile.
        const ARENAS: libc::c_int = 2;
        // SAFETY: mallopt takes two numbers and keeps no pointer; the limit is one that glibc documents.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        }
    }
}
