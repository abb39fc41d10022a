//! Trust in indexes and packages, end to end on signed fixtures: what holds, and
//! every way in which it must not hold.

mod fixture;
mod indexes;
mod packages;
mod sources;
