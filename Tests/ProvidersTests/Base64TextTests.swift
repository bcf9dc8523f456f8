import Testing

@testable import Providers

@Suite("Base64")
struct Base64TextTests {
    @Test("the vectors of RFC 4648 §10, both ways")
    func vectors() {
        let vectors = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ]
        for (plain, encoded) in vectors {
            #expect(Base64Text.encode(Array(plain.utf8)) == encoded)
            #expect(Base64Text.decode(encoded[...]) == plain)
            #expect(Base64Text.encode(Array(plain.utf8), .url) == encoded.replacing("=", with: ""))
        }
    }

    @Test("the alphabets differ in their last two letters and in padding")
    func alphabets() {
        #expect(Base64Text.encode([0xfb, 0xff, 0xfe, 0xff]) == "+//+/w==")
        #expect(Base64Text.encode([0xfb, 0xff, 0xfe, 0xff], .url) == "-__-_w")
    }
}
