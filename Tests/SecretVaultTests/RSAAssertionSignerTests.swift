import GatewayCore
import SecretVault
import Testing

@Suite("RSAAssertionSigner")
struct RSAAssertionSignerTests {
    private let signer = RSAAssertionSigner()

    @Test("gives the signature that OpenSSL's command line gives, for both forms of a key", arguments: [true, false])
    func vector(isPKCS8: Bool) throws {
        let key = isPKCS8 ? TestKeys.rsa : TestKeys.rsaPKCS1
        let signature = try signer.rs256(Array("header.claims".utf8), key: Secret(key))
        #expect(Hexadecimal.text(of: signature) == TestKeys.signature)
        // The line ends of a key that went through JSON or a Windows editor.
        let windows = key.replacing("\n", with: "\r\n")
        #expect(try signer.rs256(Array("header.claims".utf8), key: Secret(windows)) == signature)
        #expect(try signer.rs256(Array("header.claimz".utf8), key: Secret(key)) != signature)
        #expect(try signer.rs256([], key: Secret(key)).count == 256)
    }

    @Test("what is no usable RSA key is told apart, and never asked a pass phrase for")
    func refusals() {
        func failure(_ key: String) -> AssertionSigningFailure? {
            do throws(AssertionSigningFailure) {
                _ = try signer.rs256([1], key: Secret(key))
                return nil
            } catch {
                return error
            }
        }
        #expect(failure(TestKeys.short) == .unsuitableKey)
        #expect(failure(TestKeys.elliptic) == .unsuitableKey)
        #expect(failure(TestKeys.encrypted) == .unreadableKey)
        #expect(failure("") == .unreadableKey)
        #expect(failure("no key") == .unreadableKey)
        #expect(failure(String(TestKeys.rsa.dropLast(200))) == .unreadableKey)
        #expect(failure(String(repeating: "A", count: 1 << 20)) == .unreadableKey)
    }
}

/// Keys made for these tests with `openssl genrsa` and `openssl ecparam`; they open nothing.
enum TestKeys {
    /// RSA, 2048 bits, PKCS #8.
    static let rsa = """
        -----BEGIN PRIVATE KEY-----
        MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDT0Ee7yYD4E+8P
        ehuiqWjvFqwnVuRYiWTVE4UGvlbd4mQjHOIPy1dHCkPy0BEvP3ogZ8eJ7bG0/ytR
        kcB0gFAlGNYHdAkX9ZixOSutwPpikCoOqN0VKWTdzQoRjXvJV9XrnTNQNzr65FRM
        Z+fGlPa76gudD+rYzWbSZpRqI/DyHEs7+aOqlcPhL/q3+ortOOj8d4qRd3nARGVO
        44aqxQw4lbhkIAabNQqY9kN9h2iRtHIj5PzccuuHpKyyTuKKHWVzecZ8i2ycIf0i
        t3MvoXCCyKqy6+hvY96ZBOYdeh6/miVKjrgdLITfvXzBF5HOxvAHfXg83Dto22O4
        DLs7zJqFAgMBAAECggEAG24CjCAJMpcqQz/V6lez/hpaivGmuox4YVuYw4nMqAlU
        XHO2FsOHduyuZfhp8UtwHlgyL/t3IvBUhMiyOqQPPO6dcPOm5dJpRrIXpPWztyXi
        PGnDz6S/qjWOUz2WRTm5uzxtU7sDSVBeVlKyYjYSSb2CaYGRMShQY3jjSWeEIWYq
        P+qERtDnoVGyd5dFIAk9ssZQfeSAN28AWwKrP7T3VvgEiy9GXDKcwVWXf7IK110y
        TL3cdHPnMobZyh5bMU/M9oVqJqAHioEqCt2k/1zsdiew42Yc6k2KE0lxClXmFOKV
        zXzXvWkgJ9j3lvVlwCvmg5bl5kaQi3aIRN7t823kwQKBgQDyWvqdB2V2IOiqC5Kx
        znIqD5svMpB58qQnuSzHaTcjG4D4zOytisIcTeoGzPuc9ppN6TKL3gN/acCAbdhK
        1T9K0nhMOykDstn88WSV/SEj3v2RFBFtzRLRKngboGz7st9bUt+Ajt8cKgTwRTNF
        6vu4Eb8/v7wte5TepJVIKCCCkQKBgQDfvRu8bK1hI7+0iXvirEN7JZF7fSgmUwik
        zg8egH/px3coSHLLywNEFJ8zNaR7uEytDdaxO7edZDOdYe3KXIxaFXTsmuey05o1
        8ZEgT7t0sefI1tZeBrfW1zPjcM6BG15/R6EQNvO+xJaCxgEsBQt6GCXCFzfMeHqe
        6gu1ulyqtQKBgQDn3i05gTMMUq3myo29uaM2JJo3DKx3T7LIInz6B+rtlsnMv9qM
        ql3OUKjfeswbvz+f3MU0VeOIyjeXaABwkBcu0bCwVkWGOV4fhx/R9Ez5kcWNQOLv
        5yzimzwwSksagGb7a41T5N0GiBkTe1Fzyj6sO6Z7KkiyRzMF0/bTAzkfUQKBgQDb
        aOtjO7xHT7R3CoBoCQDgKjZiQJl4A+OtIrom8mL+UnKjGXEiM0NPp1177bYQ8eqX
        psOM6QAmpBYN1/RGh73HtdUFFt/zOZm4Ht5wLmCpjrG7/hsY+EOet0oWWBDbAYkJ
        Dqh/azRbNxRWyHBrx8K6iCW3EefRZ7DwWJsFKu4nJQKBgDX3cPYxEVgj5moXuOGu
        yKkzx2yuZF9zbULiHFXu0iCIJLrzIBn/kyZfsx6qMwEi9o3e+43X901MCCFBhYAZ
        UsO/8/f3g6NYp82pe4tGAjOH3OL9hTwlFz3ZtYPK7CIobgwNDB7U4CSi3w6kfLuS
        rD2Cx9rhAqUabzsSHYVHOgY9
        -----END PRIVATE KEY-----
        """

    /// The same in PKCS #1.
    static let rsaPKCS1 = """
        -----BEGIN RSA PRIVATE KEY-----
        MIIEpAIBAAKCAQEA09BHu8mA+BPvD3oboqlo7xasJ1bkWIlk1ROFBr5W3eJkIxzi
        D8tXRwpD8tARLz96IGfHie2xtP8rUZHAdIBQJRjWB3QJF/WYsTkrrcD6YpAqDqjd
        FSlk3c0KEY17yVfV650zUDc6+uRUTGfnxpT2u+oLnQ/q2M1m0maUaiPw8hxLO/mj
        qpXD4S/6t/qK7Tjo/HeKkXd5wERlTuOGqsUMOJW4ZCAGmzUKmPZDfYdokbRyI+T8
        3HLrh6Sssk7iih1lc3nGfItsnCH9IrdzL6Fwgsiqsuvob2PemQTmHXoev5olSo64
        HSyE3718wReRzsbwB314PNw7aNtjuAy7O8yahQIDAQABAoIBABtuAowgCTKXKkM/
        1epXs/4aWorxprqMeGFbmMOJzKgJVFxzthbDh3bsrmX4afFLcB5YMi/7dyLwVITI
        sjqkDzzunXDzpuXSaUayF6T1s7cl4jxpw8+kv6o1jlM9lkU5ubs8bVO7A0lQXlZS
        smI2Ekm9gmmBkTEoUGN440lnhCFmKj/qhEbQ56FRsneXRSAJPbLGUH3kgDdvAFsC
        qz+091b4BIsvRlwynMFVl3+yCtddMky93HRz5zKG2coeWzFPzPaFaiagB4qBKgrd
        pP9c7HYnsONmHOpNihNJcQpV5hTilc18171pICfY95b1ZcAr5oOW5eZGkIt2iETe
        7fNt5MECgYEA8lr6nQdldiDoqguSsc5yKg+bLzKQefKkJ7ksx2k3IxuA+MzsrYrC
        HE3qBsz7nPaaTekyi94Df2nAgG3YStU/StJ4TDspA7LZ/PFklf0hI979kRQRbc0S
        0Sp4G6Bs+7LfW1LfgI7fHCoE8EUzRer7uBG/P7+8LXuU3qSVSCgggpECgYEA370b
        vGytYSO/tIl74qxDeyWRe30oJlMIpM4PHoB/6cd3KEhyy8sDRBSfMzWke7hMrQ3W
        sTu3nWQznWHtylyMWhV07JrnstOaNfGRIE+7dLHnyNbWXga31tcz43DOgRtef0eh
        EDbzvsSWgsYBLAULehglwhc3zHh6nuoLtbpcqrUCgYEA594tOYEzDFKt5sqNvbmj
        NiSaNwysd0+yyCJ8+gfq7ZbJzL/ajKpdzlCo33rMG78/n9zFNFXjiMo3l2gAcJAX
        LtGwsFZFhjleH4cf0fRM+ZHFjUDi7+cs4ps8MEpLGoBm+2uNU+TdBogZE3tRc8o+
        rDumeypIskczBdP20wM5H1ECgYEA22jrYzu8R0+0dwqAaAkA4Co2YkCZeAPjrSK6
        JvJi/lJyoxlxIjNDT6dde+22EPHql6bDjOkAJqQWDdf0Roe9x7XVBRbf8zmZuB7e
        cC5gqY6xu/4bGPhDnrdKFlgQ2wGJCQ6of2s0WzcUVshwa8fCuogltxHn0Wew8Fib
        BSruJyUCgYA193D2MRFYI+ZqF7jhrsipM8dsrmRfc21C4hxV7tIgiCS68yAZ/5Mm
        X7MeqjMBIvaN3vuN1/dNTAghQYWAGVLDv/P394OjWKfNqXuLRgIzh9zi/YU8JRc9
        2bWDyuwiKG4MDQwe1OAkot8OpHy7kqw9gsfa4QKlGm87Eh2FRzoGPQ==
        -----END RSA PRIVATE KEY-----
        """

    /// `printf header.claims | openssl dgst -sha256 -sign` with it.
    static let signature =
        "193de27661bec2914521d2ac9ad2dc54f6afb1bebf9519c646404b1c70523f870007708985781d572da160aa47f77aa4"
        + "cc8a3d6e4b03923f173c8fa09313bc368f4e7dad58166e94a2534505131443cf13a1748c47d2f987bc8bb4a00479472a"
        + "7ad34b2acb6ed690469bfcbd84ac38ecb56fb61f4869cbca4ce309415bf3faacfb36f3957cb444fab4014585159e5d73"
        + "f662c43874da77f21191d4f320de0ddc8b06facf0d31b1a8ff503bc06b4bb0af145f63b032aba18fba20dc1ab5a5adcc"
        + "0ba830eb534ce62a12b3bd04e578af40679ac38635951a89e369c904d3d43360616737d111e630dd4593b467c6834a93"
        + "acae31dad9b1cb382863d7038f84c12f"

    /// RSA, 1024 bits.
    static let short = """
        -----BEGIN PRIVATE KEY-----
        MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAMnP23T0zSTw4kZc
        8Bk+CG7nIX36uyWtwsWaLPGeBavHykE1rVMBawuIR2E9oUoX/k4JnXai52DvBAbR
        IJegZcvD3pDZIQ1HENmjZOirZAQ8ArGIrh7XcxT7b2kMtAu8z0r9l2d1ebbicBUN
        c/IGqFanv6FCT9mfiHXVA9Vnf0avAgMBAAECgYEAvXa16oRVAARh+nsQMjKJykyV
        pec5wbLy836+CQw4+L+1wyi4kv/21jnYAZPRk3UZG3xtZ06i+N8MIbY96fv88/aT
        khmswIQi7LOkfkmUKHrFyFuCgI7I22H9bm1WkqEBIGAYKaZgXnffXHOQWU8f3Buu
        3MLAxMVSz4IGrHh13IkCQQD3lr0wY5GvjLcNMqTBY2xXajsqlshUBzXa7PMFOu4h
        lDHIXZgM/DUnsr+/IqfaWHJMCfXNrDUfNy24E9GEVqnLAkEA0KsADbf4DbfADILm
        whgvR2Reci8jJbxS2ew/PKXXB2ZIFRCgvioptQ6CM3TXBYyyVcwccn10/BxR5DvX
        3rSKLQJBAJwbtUoPXcpcZQazSeKNt8AeQRQHYmRo73IMOOaxU3hkokb9jGOTmkhf
        kjsHtOIdJmP/W7bEv/HgrrkD9fUFV6UCQA+Nv3pGTToQiUMlerfa/6MtqxCNzOvi
        JrbRskD+B5IooJTZYXHrSKKTS0c0nVZvj1dv2Gr8SP0Fy2DcyRFzmZ0CQH9gFGDt
        bD0txBjW8OUmpmIIEmrLLFZ4utH35ybwlBhSlGUyu0WZmmlQn6xnAUg/lFPBuZyJ
        HlWzcjl97eLLr1s=
        -----END PRIVATE KEY-----
        """

    /// P-256.
    static let elliptic = """
        -----BEGIN EC PRIVATE KEY-----
        MHcCAQEEIDJaMs440A4gb5c+ZtffzrzL3N0QZ2mtzRLDWDzURwWuoAoGCCqGSM49
        AwEHoUQDQgAEgq2BZf0KbGqwyrcjNZOs4ChEOalgPtul/yFbMpU9EwKY8bLhaiHF
        SxUEydhWdMbF0L96Xuccs/q0DzwHislfeQ==
        -----END EC PRIVATE KEY-----
        """

    /// RSA under the pass phrase `x`.
    static let encrypted = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIIFLTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQICPBmdUZAp5oCAggA
        MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAECBBCxfRKWZmN5GZJKx5mlTehuBIIE
        0NS84qLk5Yb+tSAHH/M9pOiirRt1eqjzhmSIlEmC8AUd12urWZCcGrneiLItSpsD
        Nwot3aOQYPF+XICSw49CAMQ92QSxNuBvuswpWNzLQcLXW1vEwlrrENSw9LMBn1dy
        LK5t1VZY8jwwBerEO543HrSdzD/xjLVeIpdcEuh7t3GMObcoub+Jwp0FLjf05CJh
        MM07YMmJW3x9LLLoQiWcDMasLmeXHvi2ZFiIeINkUL/UPKHVyOxKVrs7O3KvH1A5
        6VBT18WCSSoOU62MPdAeA+zIBfe3ousYlhrmCoSsMjx4Fd5UT83PojTTE7PeuJu9
        OT8SfboalKAW6mU73WC2uBXW6H6CFGB/V4auq1t0o7m6ov4zxWKU+QCpvFTHJpmk
        xvFoW9p5qGyHNRRtpAkPilVGn82tiZshMjYxr7XqyIzUPIS3vt68slzrhMqvgONt
        ir0Kdg2HX6tI1vKD/Rr0GnAmJTDr/P6bW9s79GchhWeqBxGr+w41mA5hn/HR0xol
        xS4qG8PuTcyjGApXRyaovWXucOKy1YcqR7IZ12fLANMwWWLo5AFOpiYl84hyMWtf
        vdLqXVVXC3N40vfbOO1RizEwTsKA1UakiV6240FG4Z6gdM12pSYFqtCGtfzbKtLG
        K4LJiMMeww/7CMqTs3RPBr13pmFpLFmAaloKVp/3NqATmiGC5DOF92oQl696pnEV
        l8NRZMZdpW2g/Wgb/sWqdHGF2n0WYbCPCdueTXUxukvkMu5WTAD6Y9Y0o5KrWeiA
        EANHNMveny1sqCq03JOlbAEv57vxP/m80HF88KKyZkGNS+IccN0vEPxsCKhS0nr3
        sUQzE6a2ebPMxmUwMH8we3lO/7mHtJP6sOsXjwvdyCWstkCQ8MKT3W6yAkTpmqlP
        UpP3n9AO+mL0SRbPzqP7oylNmiWwdNyqVEzqWtZejiuhC7k6UoiUCbexfut0vams
        VPavfoYAB18ErqzDFdLKVCaXe6elbJ9HdCTBQp90K0Lloz8Irx/QtGcYVWNkl9iI
        XoJpY1xj9WLRiJH1yXrgl53X6t6O8KwCot2X+FqeFTbHmRy80G1/GuQsPhLgwbEu
        5n9SobnRamK5fcaFMMPDySw5hJ3mn4QJ2dIKk+Y+XeNP2cgQGPq413lL+RWjATs9
        5dfspq8syud7QJJroe/5GFksZ4iqdXWRNHdDt6iGp3Ihb/BALNv7qCYE+Tvk3fZo
        e51O39RaG1vSkC+b/Ln03rVgoAZIxaydDh45cnC1tYbewPqDHl20Z6VshSD/0O8E
        PkgQbDhqQUhjhJeccJtUs6jW5hnmI2XkULlhztlWLtD1iZL5LpoRt747YVa0rQWM
        4jR6kLGqeqzI9WxUdOcBQz0hrQP+WO0ZXszRWt9I2m1Jl6e3fjIIVlOmKBsL6yUc
        qCqUYBIY+RuirCyX3pFH58VpI3otBs5Lp2UPTjSaqpDskikIeSOfdGJ8YiSmOI34
        DEloTJcm+rynQ/fdt7WtlFWjnyqBde/U0kEhIjntWPMEpmhNuojIIOMM5C5qr+Xs
        tgzKFU+0l2TM4olWKAWzNQwkZlNRdT1UtIPlfY5V/0K4elkXRLVCsgIhhqC+uUgt
        XVQWdgyTkDicuu+IQTZXrfblmBEEGYgtxktpqYuEYX+s
        -----END ENCRYPTED PRIVATE KEY-----
        """
}
