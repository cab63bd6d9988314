// SPDX-License-Identifier: Apache-2.0

import PluginKit

// How a connection begins: through the gate, then the login that the configuration asks for.
extension XMPPConnection {
    func connect() {
        state = .connecting
        let request = config.request
        let pass = ConnectGate.Pass(to: "\(request.host):\(request.port)") { [weak self] in self?.open(request) }
        self.pass = pass
        gate.enter(pass)
    }

    /// Others may begin; said again, nothing.
    func leaveGate() {
        guard let pass else { return }
        self.pass = nil
        gate.leave(pass)
    }

    private func open(_ request: StreamRequest) {
        if let pass {
            let gate = gate
            _ = try? site.timers.after(Self.passLimit) { gate.leave(pass) }
        }
        do {
            stream = try site.streams.connect(request) { [weak self] stream, event in
                guard let self, stream === self.stream else { return }
                self.handle(event)
            }
        } catch {
            fail(ConnectionFailure(.temporary, error.description))
        }
    }

    func newNegotiation() -> any Negotiation {
        switch config.mode {
        case .component: ComponentNegotiation(address: config.address, secret: config.password)
        case .client:
            ClientNegotiation(
                address: config.address,
                password: config.password,
                nonce: Base64.encode((0..<18).map { _ in UInt8.random(in: .min ... .max, using: &random) }),
                requiresTLS: config.requiresTLS,
                usesTLS: config.tls == .required || config.requiresTLS,
                isSecured: config.tls == .direct,
                resumption: resumption.map {
                    ClientNegotiation.Resumption(id: $0.id, handled: handled, address: $0.address)
                }
            )
        }
    }
}
