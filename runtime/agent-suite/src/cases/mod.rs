//! The cases, by what they are about.

mod exec;
mod guest_itself;
mod hooks;
mod hostile;
mod isolation;
mod life;
mod limits;
mod signals;
mod storages;
mod streams;

use std::pin::Pin;

use crate::guest::Guest;
use crate::trouble::Trouble;

type Work<'a> = Pin<Box<dyn Future<Output = Result<(), Trouble>> + Send + 'a>>;

/// One case.
pub(crate) struct Case {
    /// Its name: the module's and the function's.
    pub name: &'static str,
    /// What it does.
    pub run: for<'a> fn(&'a Guest) -> Work<'a>,
}

macro_rules! cases {
    ($($module:ident { $($case:ident)* })*) => {
        /// All cases in their order.
        pub(crate) fn all() -> Vec<Case> {
            vec![$($(Case {
                name: concat!(stringify!($module), "::", stringify!($case)),
                run: |guest| Box::pin($module::$case(guest)),
            },)*)*]
        }
    };
}

cases! {
    life {
        output_and_exit_code
        created_but_never_started
        what_is_not_there_is_named
        ids_are_names_and_taken_once
    }
    streams {
        input_comes_out_again
        a_terminal_has_a_size
        bytes_of_every_kind
    }
    exec {
        programs_beside_the_first
        a_terminal_of_its_own
        none_in_a_stopped_container
    }
    signals {
        ends_by_signals
        all_processes
        the_dead_take_any
    }
    limits {
        given_and_changed
        counted
        standing_still
        out_of_memory
        fork_bombs
    }
    isolation {
        root_and_devices
        rights
        namespaces
        shared_processes
        users_of_its_own
        kernel_parameters
    }
    hooks {
        each_at_its_moment
        a_failing_one_stops_it
    }
    storages {
        memory
        folders
        files_that_change
        debian_on_a_disk
        what_can_not_be_leaves_nothing
    }
    guest_itself {
        what_it_is
        clock_and_chance
        links_and_routes
        packet_filter
        processors_and_memory
        reclaiming_memory
        files
    }
    hostile {
        nobody_reads
        many_small_writes
        callers_that_go
        specs_that_make_no_sense
        links_lead_nowhere
        cycles_leave_nothing
        ends_that_nobody_reads
    }
}
