//! What xtask does with input that is wrong and work that can't be done: one
//! clear message, the right exit status, and an output folder as it was. Each
//! case breaks one thing of a fixture project in which all else is right, and
//! starts the real program in it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod fixture;

mod bad_input {
    mod disk;
    mod extension;
    mod forms;
    mod good;
    mod interruption;
    mod json;
    mod layering;
    mod limits;
    mod locks;
    mod network;
    mod packages;
    mod recipes;
    mod repository;
    mod steps;
}
