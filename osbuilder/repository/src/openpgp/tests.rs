//! Signed texts made on the spot: each way in which a signature can fail to
//! count, and those in which it counts. [`TestKey`] serves other tests as well.

use std::time::{Duration as StdDuration, SystemTime, UNIX_EPOCH};

use expect_test::{Expect, expect};
use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedPublicKey,
    SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{Duration, KeyDetails, Password, SignedUser, SigningKey, Tag, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

mod detached;

/// When test keys are made, in seconds since 1970.
pub(crate) const BORN: u32 = 1_700_000_000;
/// When test texts are signed.
pub(crate) const SIGNED: u32 = BORN + 1000;
const DAY: u32 = 86_400;

/// The moment `seconds` since 1970.
pub(crate) fn at(seconds: u32) -> SystemTime {
    UNIX_EPOCH + StdDuration::from_secs(u64::from(seconds))
}

/// A key pair with a signing subkey, all of whose signatures are dated [`BORN`].
pub(crate) struct TestKey {
    secret: SignedSecretKey,
    public: SignedPublicKey,
}

fn subpackets(list: Vec<SubpacketData>) -> Vec<Subpacket> {
    list.into_iter().map(|data| Subpacket::regular(data).unwrap()).collect()
}

fn config(
    key: &impl SigningKey,
    kind: SignatureType,
    created: u32,
    more: Vec<SubpacketData>,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), HashAlgorithm::Sha512);
    let mut hashed = vec![
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(created)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ];
    hashed.extend(more);
    config.hashed_subpackets = subpackets(hashed);
    config
}

fn flags(sign: bool, certify: bool) -> SubpacketData {
    let mut flags = KeyFlags::default();
    flags.set_sign(sign);
    flags.set_certify(certify);
    SubpacketData::KeyFlags(flags)
}

impl TestKey {
    pub(crate) fn new(seed: u64) -> Self {
        Self::of(seed, KeyType::Ed25519Legacy)
    }

    fn of(seed: u64, kind: KeyType) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let born = Timestamp::from_secs(BORN);
        let subkey = SubkeyParamsBuilder::default()
            .key_type(kind.clone())
            .can_sign(true)
            .created_at(born)
            .build()
            .unwrap();
        let secret = SecretKeyParamsBuilder::default()
            .key_type(kind)
            .can_certify(true)
            .can_sign(true)
            .created_at(born)
            .primary_user_id(format!("Archive {seed} <archive@example.org>"))
            .subkeys(vec![subkey])
            .build()
            .unwrap()
            .generate(&mut rng)
            .unwrap();
        let mut key = Self { public: secret.to_public_key(), secret };
        key.certify(BORN, vec![flags(true, true)]);
        key.bind(BORN, vec![flags(true, false)], true);
        key
    }

    /// Replaces the self-signature.
    fn certify(&mut self, created: u32, more: Vec<SubpacketData>) {
        let key = &self.secret.primary_key;
        let id = self.public.details.users[0].id.clone();
        let signature = config(key, SignatureType::CertPositive, created, more)
            .sign_certification(key, key.public_key(), &Password::empty(), Tag::UserId, &id)
            .unwrap();
        self.public.details.users = vec![SignedUser::new(id, vec![signature])];
    }

    /// Replaces the subkey's binding.
    fn bind(&mut self, created: u32, mut more: Vec<SubpacketData>, both_ways: bool) {
        let key = &self.secret.primary_key;
        let subkey = &self.secret.secret_subkeys[0].key;
        if both_ways {
            let back = config(subkey, SignatureType::KeyBinding, created, vec![])
                .sign_primary_key_binding(
                    subkey,
                    subkey.public_key(),
                    &Password::empty(),
                    key.public_key(),
                )
                .unwrap();
            more.push(SubpacketData::EmbeddedSignature(Box::new(back)));
        }
        let binding = config(key, SignatureType::SubkeyBinding, created, more)
            .sign_subkey_binding(key, key.public_key(), &Password::empty(), subkey.public_key())
            .unwrap();
        self.public.public_subkeys[0].signatures = vec![binding];
    }

    fn revoke(&mut self) {
        let key = &self.secret.primary_key;
        let revocation = config(key, SignatureType::KeyRevocation, BORN + 1, vec![])
            .sign_key(key, &Password::empty(), key.public_key())
            .unwrap();
        self.public.details.revocation_signatures = vec![revocation];
    }

    fn revoke_subkey(&mut self) {
        let key = &self.secret.primary_key;
        let subkey = &self.secret.secret_subkeys[0].key;
        let revocation = config(key, SignatureType::SubkeyRevocation, BORN + 1, vec![])
            .sign_subkey_binding(key, key.public_key(), &Password::empty(), subkey.public_key())
            .unwrap();
        self.public.public_subkeys[0].signatures.push(revocation);
    }

    pub(crate) fn armored(&self) -> String {
        self.public.to_armored_string(ArmorOptions::default()).unwrap()
    }

    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::from_bytes("test", self.armored().as_bytes()).unwrap()
    }

    /// A signature by the subkey over normalized text.
    fn signature(&self, text: &str, change: impl FnOnce(&mut SignatureConfig)) -> Signature {
        let key = &self.secret.secret_subkeys[0].key;
        let mut config = config(key, SignatureType::Text, SIGNED, vec![]);
        change(&mut config);
        config.sign(key, &Password::empty(), text.as_bytes()).unwrap()
    }

    /// The text in a frame, signed by the subkey.
    pub(crate) fn sign(&self, text: &str) -> String {
        self.sign_with(text, |_| {})
    }

    fn sign_with(&self, text: &str, change: impl FnOnce(&mut SignatureConfig)) -> String {
        frame(text, |text| vec![self.signature(text, change)])
    }

    fn sign_with_primary(&self, text: &str) -> String {
        let key = &self.secret.primary_key;
        frame(text, |text| {
            let config = config(key, SignatureType::Text, SIGNED, vec![]);
            vec![config.sign(key, &Password::empty(), text.as_bytes()).unwrap()]
        })
    }
}

/// The frame as the `pgp` crate writes it, so that two programs agree about it.
fn frame(text: &str, signatures: impl FnOnce(&str) -> Vec<Signature>) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    CleartextSignedMessage::new_many(text, |text| Ok(signatures(text)))
        .unwrap()
        .to_armored_string(ArmorOptions::default())
        .unwrap()
}

const TEXT: &str = "Suite: stable\n- a dash\n\n-----BEGIN nothing\nlast line\n";

fn check(signed: &str, keyring: &Keyring, now: u32, expected: &Expect) {
    let answer = match verify_cleartext(signed.as_bytes(), keyring, at(now)) {
        Ok(verified) => {
            assert_eq!(String::from_utf8(verified.text).unwrap(), TEXT);
            assert_eq!(verified.fingerprints, keyring.fingerprints());
            "trusted".to_owned()
        }
        Err(error) => {
            // Fingerprints differ by key; the words are what matters here.
            let hexadecimal = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
            error
                .to_string()
                .split(' ')
                .map(|w| if w.len() == 40 && w.chars().all(hexadecimal) { "KEY" } else { w })
                .collect::<Vec<_>>()
                .join(" ")
        }
    };
    expected.assert_eq(&answer);
}

#[test]
fn a_good_signature_counts() {
    let key = TestKey::new(1);
    let trusted = expect!["trusted"];
    check(&key.sign(TEXT), &key.keyring(), SIGNED, &trusted);
    check(&key.sign_with_primary(TEXT), &key.keyring(), SIGNED, &trusted);
    check(&key.sign(TEXT).replace('\n', "\r\n"), &key.keyring(), SIGNED, &trusted);
    let rsa = TestKey::of(2, KeyType::Rsa(2048));
    check(&rsa.sign(TEXT), &rsa.keyring(), SIGNED, &trusted);
}

#[test]
fn one_good_signature_among_others_is_enough() {
    let (ours, other) = (TestKey::new(1), TestKey::new(2));
    let signed =
        frame(TEXT, |text| vec![other.signature(text, |_| {}), ours.signature(text, |_| {})]);
    check(&signed, &ours.keyring(), SIGNED, &expect!["trusted"]);
    check(
        &signed,
        &TestKey::new(3).keyring(),
        SIGNED,
        &expect![
            "no signature by a trusted key: key KEY is not in the keyring, key KEY is not in the keyring"
        ],
    );
}

#[test]
fn altered_text_is_refused() {
    let key = TestKey::new(1);
    let signed = key.sign(TEXT);
    let says =
        expect!["no signature by a trusted key: key KEY signed another text; the file was altered"];
    check(&signed.replace("stable", "stab1e"), &key.keyring(), SIGNED, &says);
    check(&signed.replace("last line\n", "last line\n\n"), &key.keyring(), SIGNED, &says);
    let swapped = key.sign("Suite: other\n");
    let block = swapped.find("-----BEGIN PGP SIGNATURE").unwrap();
    let at = signed.find("-----BEGIN PGP SIGNATURE").unwrap();
    check(&format!("{}{}", &signed[..at], &swapped[block..]), &key.keyring(), SIGNED, &says);
}

#[test]
fn weak_digests_are_refused() {
    let key = TestKey::new(1);
    for weak in [HashAlgorithm::Sha1, HashAlgorithm::Md5, HashAlgorithm::Ripemd160] {
        // Ed25519 refuses to make these, so RSA has to.
        let rsa = TestKey::of(2, KeyType::Rsa(2048));
        let signed = rsa.sign_with(TEXT, |config| config.hash_alg = weak);
        check(
            &signed,
            &rsa.keyring(),
            SIGNED,
            &expect![
                "no signature by a trusted key: key KEY used a weak digest (MD5, SHA-1 or the like)"
            ],
        );
    }
    check(&key.sign(TEXT), &key.keyring(), SIGNED, &expect!["trusted"]);
}

#[test]
fn times_are_honoured() {
    let mut key = TestKey::new(1);
    let keyring = key.keyring();
    check(
        &key.sign(TEXT),
        &keyring,
        SIGNED - 1,
        &expect![
            "no signature by a trusted key: key KEY signed in the future; is this machine's clock right?"
        ],
    );
    let short = key.sign_with(TEXT, |config| {
        let lifetime = SubpacketData::SignatureExpirationTime(Duration::from_secs(DAY));
        config.hashed_subpackets.extend(subpackets(vec![lifetime]));
    });
    check(&short, &keyring, SIGNED + DAY - 1, &expect!["trusted"]);
    let expired =
        expect!["no signature by a trusted key: key KEY made a signature that has expired"];
    check(&short, &keyring, SIGNED + DAY, &expired);

    let lifetime = || SubpacketData::KeyExpirationTime(Duration::from_secs(30 * DAY));
    let key_expired = expect!["no signature by a trusted key: key KEY has expired"];
    key.bind(BORN, vec![flags(true, false), lifetime()], true);
    check(&key.sign(TEXT), &key.keyring(), BORN + 30 * DAY - 1, &expect!["trusted"]);
    check(&key.sign(TEXT), &key.keyring(), BORN + 30 * DAY, &key_expired);
    key.bind(BORN, vec![flags(true, false)], true);
    key.certify(BORN, vec![flags(true, true), lifetime()]);
    check(&key.sign(TEXT), &key.keyring(), BORN + 30 * DAY - 1, &expect!["trusted"]);
    check(&key.sign(TEXT), &key.keyring(), BORN + 30 * DAY, &key_expired);
    check(&key.sign_with_primary(TEXT), &key.keyring(), BORN + 30 * DAY, &key_expired);
}

#[test]
fn revoked_keys_are_refused() {
    let revoked = expect!["no signature by a trusted key: key KEY is revoked"];
    let mut key = TestKey::new(1);
    key.revoke_subkey();
    check(&key.sign(TEXT), &key.keyring(), SIGNED, &revoked);
    check(&key.sign_with_primary(TEXT), &key.keyring(), SIGNED, &expect!["trusted"]);
    key.revoke();
    check(&key.sign_with_primary(TEXT), &key.keyring(), SIGNED, &revoked);
}

#[test]
fn subkeys_must_be_bound_for_signing_both_ways() {
    let refused = expect!["no signature by a trusted key: key KEY may not sign data"];
    let mut key = TestKey::new(1);
    key.bind(BORN, vec![flags(true, false)], false);
    check(&key.sign(TEXT), &key.keyring(), SIGNED, &refused);
    key.bind(BORN, vec![flags(false, false)], true);
    check(&key.sign(TEXT), &key.keyring(), SIGNED, &refused);
    key.bind(SIGNED + 10, vec![flags(true, false)], true);
    check(&key.sign(TEXT), &key.keyring(), SIGNED, &refused);
    // Somebody else's subkey, hung onto a trusted key.
    let (mut victim, thief) = (TestKey::new(1), TestKey::new(2));
    victim.public.public_subkeys = thief.public.public_subkeys.clone();
    check(&thief.sign(TEXT), &victim.keyring(), SIGNED, &refused);
}

#[test]
fn only_text_in_a_whole_frame_is_accepted() {
    let key = TestKey::new(1);
    let keyring = key.keyring();
    let signed = key.sign(TEXT);
    let end = signed.find("-----END").unwrap();
    let begin = signed.find("-----BEGIN PGP SIGNATURE").unwrap();
    let cases = [
        ("Suite: x\n".to_owned(), "does not begin"),
        (String::new(), "does not begin"),
        (format!("before\n{signed}"), "does not begin"),
        (format!("{signed}after\n"), "something follows"),
        (format!("{signed}{signed}"), "something follows"),
        (signed[..end].to_owned(), "cut off"),
        (signed[..begin].to_owned(), "ends before its signatures"),
        (signed[..35].to_owned(), "ends inside of its header"),
        (signed.replace("Hash: ", "Comment: "), "not `Hash:`"),
        (signed.replace("- - a dash", "- a dash\n-x"), "unescaped dash"),
        (signed.replace("last line", "last\rline"), "carriage return"),
        (signed.replace("last line", "last\0line"), "carriage return"),
        (frame(TEXT, |_| vec![]), "the file has none"),
    ];
    for (text, expected) in cases {
        let said = verify_cleartext(text.as_bytes(), &keyring, at(SIGNED)).unwrap_err().to_string();
        assert!(said.contains(expected), "{said} for {text}");
    }
    for cut in 0..signed.trim_end().len() {
        assert!(verify_cleartext(&signed.as_bytes()[..cut], &keyring, at(SIGNED)).is_err());
    }
    let binary = key.sign_with(TEXT, |config| config.typ = SignatureType::Binary);
    check(
        &binary,
        &keyring,
        SIGNED,
        &expect![
            "no signature by a trusted key: key KEY made a kind of signature that is not accepted"
        ],
    );
}

#[test]
fn keyrings_hold_several_keys_in_any_form() {
    let (a, b) = (TestKey::new(1), TestKey::new(2));
    let both = Keyring::from_bytes("both", format!("{}\n{}", a.armored(), b.armored()).as_bytes());
    let both = both.unwrap();
    let prints = |key: &TestKey| hex::encode_upper(key.public.fingerprint().as_bytes());
    assert_eq!(both.fingerprints(), [prints(&a), prints(&b)]);

    let mut binary = Vec::new();
    for key in [&a, &b] {
        pgp::ser::Serialize::to_writer(&key.public, &mut binary).unwrap();
    }
    let mut ring = Keyring::from_bytes("b.gpg", &binary).unwrap();
    let third = TestKey::new(3);
    ring.extend(third.keyring());
    assert_eq!(ring.fingerprints(), [prints(&a), prints(&b), prints(&third)]);

    let said = Keyring::from_bytes("c.asc", b"not a key").unwrap_err().to_string();
    assert!(said.contains("c.asc is not a file of OpenPGP public keys"), "{said}");
    assert!(matches!(Keyring::from_bytes("empty", b""), Err(KeyringError::Empty(_))));
}
