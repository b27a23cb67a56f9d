/** Whom age encrypts to: its own public keys, and SSH keys of the one kind that is not to be had in weak sizes. */

const ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const SSH = /^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}$/;

/** What is allowed, in words. */
export const RECIPIENT_RULE =
  "a public key of age (age1… as age-keygen prints it), or ssh-ed25519 and the key, without a comment";

/** Whether text is the public key of an age identity, its checksum included, or an SSH key that age takes. */
export const isRecipient = (text: string): boolean => SSH.test(text) || isBech32(text);

/** 32 bytes in Bech32 (BIP 173) behind `age1`: a letter that was mistyped is noticed here and not in an emergency. */
function isBech32(text: string): boolean {
  if (!/^age1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{58}$/.test(text)) return false;
  const prefix = [..."age"].map((letter) => letter.charCodeAt(0));
  const values = [
    ...prefix.map((code) => code >> 5),
    0,
    ...prefix.map((code) => code & 31),
    ...[...text.slice(4)].map((letter) => ALPHABET.indexOf(letter)),
  ];
  return polymod(values) === 1;
}

function polymod(values: readonly number[]): number {
  let check = 1;
  for (const value of values) {
    const top = check >>> 25;
    check = ((check & 0x1ffffff) << 5) ^ value;
    GENERATOR.forEach((term, bit) => {
      if ((top >>> bit) & 1) check ^= term;
    });
  }
  return check;
}
