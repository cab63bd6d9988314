// SPDX-License-Identifier: Apache-2.0
package import NIOCore

/// Cuts a link's bytes into messages.
///
/// A message that can't be read is an error on the channel.
package final class LinkMessageDecoder: ByteToMessageDecoder {
    package typealias InboundOut = LinkMessage

    package init() {}

    package func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let message = try LinkCodec.decode(from: &buffer) else { return .needMoreData }
        context.fireChannelRead(Self.wrapInboundOut(message))
        return .continue
    }

    /// Messages run to megabytes: what was read is given back only when it is worth the copy.
    package func shouldReclaimBytes(buffer: ByteBuffer) -> Bool {
        buffer.readerIndex > 1 << 20 && buffer.readerIndex > buffer.capacity / 2
    }
}

/// Turns messages into bytes.
package final class LinkMessageEncoder: MessageToByteEncoder {
    package typealias OutboundIn = LinkMessage

    package init() {}

    package func encode(data: LinkMessage, out: inout ByteBuffer) throws { LinkCodec.encode(data, into: &out) }
}
