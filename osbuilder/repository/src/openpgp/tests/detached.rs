//! Signatures beside what they sign: binary, armored, several, and those of
//! OpenPGP's third version, which rpm packages carry to this day.

use pgp::packet::PacketTrait;
use pgp::types::SignatureBytes;
use sha2::{Digest, Sha256};

use super::*;

const DATA: &[u8] = b"a header\r\nand its end\n";

fn packet(key: &TestKey, change: impl FnOnce(&mut SignatureConfig)) -> Vec<u8> {
    let signer = &key.secret.primary_key;
    let mut config = config(signer, SignatureType::Binary, SIGNED, vec![]);
    change(&mut config);
    let signature = config.sign(signer, &Password::empty(), DATA).unwrap();
    let mut bytes = Vec::new();
    signature.to_writer_with_header(&mut bytes).unwrap();
    bytes
}

/// A signature of version 3, put together by hand.
fn third_version(key: &TestKey) -> Vec<u8> {
    let signer = &key.secret.primary_key;
    let mut hashed = vec![0];
    hashed.extend_from_slice(&SIGNED.to_be_bytes());
    let digest = Sha256::new().chain_update(DATA).chain_update(&hashed).finalize();
    let signed = signer.sign(&Password::empty(), HashAlgorithm::Sha256, &digest).unwrap();
    let SignatureBytes::Mpis(numbers) = signed else { panic!("RSA signatures are numbers") };
    let number = numbers[0].as_ref();
    let mut body = vec![3, 5];
    body.extend_from_slice(&hashed);
    body.extend_from_slice(signer.legacy_key_id().as_ref());
    body.extend_from_slice(&[1, 8, digest[0], digest[1]]);
    let bits = number.len() * 8 - number[0].leading_zeros() as usize;
    body.extend_from_slice(&u16::try_from(bits).unwrap().to_be_bytes());
    body.extend_from_slice(number);
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    // An old-fashioned header: a signature whose length takes two bytes.
    [&[0x89, length[0], length[1]][..], &body].concat()
}

fn answer(key: &TestKey, signature: &[u8], data: &[u8], now: u32) -> String {
    match verify_detached(data, signature, &key.keyring(), at(now)) {
        Ok(fingerprints) => {
            assert_eq!(fingerprints, key.keyring().fingerprints());
            "trusted".to_owned()
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn good_signatures_count_in_any_form() {
    let key = TestKey::of(5, KeyType::Rsa(2048));
    let good = packet(&key, |_| {});
    assert_eq!(answer(&key, &good, DATA, SIGNED), "trusted");
    let third = third_version(&key);
    assert_eq!(answer(&key, &third, DATA, SIGNED), "trusted");
    // One that holds is enough, whatever is beside it.
    let weak = packet(&key, |config| config.hash_alg = HashAlgorithm::Sha1);
    assert_eq!(answer(&key, &[weak, good].concat(), DATA, SIGNED), "trusted");
}

#[test]
fn other_signatures_do_not() {
    let key = TestKey::of(5, KeyType::Rsa(2048));
    let ends = |text: String, end: &str| assert!(text.ends_with(end), "{text}");
    for good in [packet(&key, |_| {}), third_version(&key)] {
        ends(answer(&key, &good, b"another", SIGNED), "the file was altered");
        ends(answer(&TestKey::new(6), &good, DATA, SIGNED), "is not in the keyring");
        ends(answer(&key, &good, DATA, SIGNED - 1), "is this machine's clock right?");
        for cut in 0..good.len() {
            assert_ne!(answer(&key, &good[..cut], DATA, SIGNED), "trusted", "cut at {cut}");
        }
    }
    let weak = packet(&key, |config| config.hash_alg = HashAlgorithm::Sha1);
    ends(answer(&key, &weak, DATA, SIGNED), "a weak digest (MD5, SHA-1 or the like)");
    let text = packet(&key, |config| config.typ = SignatureType::Text);
    ends(answer(&key, &text, DATA, SIGNED), "made a kind of signature that is not accepted");
    ends(answer(&key, b"", DATA, SIGNED), "the file has none");
    let large = vec![0x89; (1 << 20) + 1];
    ends(answer(&key, &large, DATA, SIGNED), "it is larger than 1 MiB");
}
