//! Recipes and the versions database: what the files may say, how a mistake in
//! them is shown, and the resolved values the builder works with.
//!
//! Pure: text in, values or located problems out. No file, network or process
//! is touched here; whoever calls has read the text.

pub mod draft;
pub mod form;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod layer;
pub mod lock;
pub mod path;
pub mod problem;
pub mod recipe;
pub mod repository;
pub mod template;
pub mod versions;
mod yaml;

pub use draft::Draft;
pub use form::{
    Choice, Compression, ErofsSettings, Filesystem, Form, FormChoice, ImageForm, ImageSettings,
    InitrdSettings,
};
pub use layer::{DeviceType, Layer, Ownership, TextSource};
pub use lock::{Lock, LockedChoice, LockedIndex, LockedPackage, LockedRepository, LockedSelection};
pub use path::{GuestPath, GuestPathError};
pub use problem::{Problem, nearest};
pub use recipe::{Init, Recipe, Selection, SelectionError, Type};
pub use repository::{
    ApkRepository, AptRepository, OtherMirrors, RepositorySource, RpmIndex, RpmRepository,
};
pub use template::Templates;
pub use versions::{KernelSource, Versions};
