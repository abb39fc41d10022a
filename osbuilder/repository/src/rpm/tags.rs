//! The numbers of the tags that are read: those of the signature header begin
//! with `SIG`. Nothing else is here.

pub(super) const SIG_DSA_HEADER: u32 = 267;
pub(super) const SIG_RSA_HEADER: u32 = 268;
pub(super) const SIG_SHA256: u32 = 273;
pub(super) const SIG_OPENPGP: u32 = 278;

pub(super) const NAME: u32 = 1000;
pub(super) const VERSION: u32 = 1001;
pub(super) const RELEASE: u32 = 1002;
pub(super) const EPOCH: u32 = 1003;
pub(super) const ARCH: u32 = 1022;
pub(super) const FILE_SIZES: u32 = 1028;
pub(super) const FILE_MODES: u32 = 1030;
pub(super) const FILE_RDEVS: u32 = 1033;
pub(super) const FILE_MTIMES: u32 = 1034;
pub(super) const FILE_DIGESTS: u32 = 1035;
pub(super) const FILE_LINK_TOS: u32 = 1036;
pub(super) const FILE_FLAGS: u32 = 1037;
pub(super) const FILE_USER: u32 = 1039;
pub(super) const FILE_GROUP: u32 = 1040;
pub(super) const FILE_DEVICES: u32 = 1095;
pub(super) const FILE_INODES: u32 = 1096;
pub(super) const DIR_INDEXES: u32 = 1116;
pub(super) const BASE_NAMES: u32 = 1117;
pub(super) const DIR_NAMES: u32 = 1118;
pub(super) const LONG_FILE_SIZES: u32 = 5008;
pub(super) const FILE_CAPS: u32 = 5010;
pub(super) const FILE_DIGEST_ALGO: u32 = 5011;
pub(super) const PROVIDE_NAME: u32 = 1047;
pub(super) const PROVIDE_FLAGS: u32 = 1112;
pub(super) const PROVIDE_VERSION: u32 = 1113;
pub(super) const REQUIRE_FLAGS: u32 = 1048;
pub(super) const REQUIRE_NAME: u32 = 1049;
pub(super) const REQUIRE_VERSION: u32 = 1050;
pub(super) const CONFLICT_FLAGS: u32 = 1053;
pub(super) const CONFLICT_NAME: u32 = 1054;
pub(super) const CONFLICT_VERSION: u32 = 1055;
pub(super) const OBSOLETE_NAME: u32 = 1090;
pub(super) const OBSOLETE_FLAGS: u32 = 1114;
pub(super) const OBSOLETE_VERSION: u32 = 1115;
pub(super) const PAYLOAD_FORMAT: u32 = 1124;
pub(super) const PAYLOAD_COMPRESSOR: u32 = 1125;
pub(super) const PAYLOAD_DIGEST: u32 = 5092;
pub(super) const PAYLOAD_DIGEST_ALGO: u32 = 5093;
pub(super) const PAYLOAD_DIGEST_ALT: u32 = 5097;
pub(super) const MODULARITY_LABEL: u32 = 5096;

/// Scripts, and what they are called. Nobody runs them.
pub(super) const SCRIPTS: [(u32, &str); 8] = [
    (1023, "pre"),
    (1024, "post"),
    (1025, "preun"),
    (1026, "postun"),
    (1151, "pretrans"),
    (1152, "posttrans"),
    (1065, "triggers"),
    (5069, "transfiletriggers"),
];
