# SPDX-License-Identifier: Apache-2.0
# The peer's side of the benchmark: sidekiq -r ./jobs.rb -c THREADS. SINK_PORT and REDIS_PORT come from the environment.
require 'sidekiq'
require 'net/http'

REDIS = { url: "redis://127.0.0.1:#{ENV.fetch('REDIS_PORT')}/0" }.freeze
SINK_PORT = ENV.fetch('SINK_PORT').to_i
FORM = "feed=#{'x' * 595}".freeze # as long as benchmarks' other bodies: 600 bytes

Sidekiq.configure_server { |config| config.redis = REDIS; config.logger.level = Logger::ERROR }
Sidekiq.configure_client { |config| config.redis = REDIS }

# One kept-alive connection for each thread and host, as a careful Sidekiq user would have it.
module Connections
  def self.to(host)
    kept = Thread.current[:kept] ||= {}
    return kept[host] if kept[host]&.started?

    http = Net::HTTP.new(host, SINK_PORT)
    http.keep_alive_timeout = 300
    http.open_timeout = http.read_timeout = 10
    http.max_retries = 0
    kept[host] = http.start
  end
end

def post(host, path)
  request = Net::HTTP::Post.new(path, 'Content-Type' => 'application/x-www-form-urlencoded')
  request.body = FORM
  response = Connections.to(host).request(request)
  raise response.code unless response.code == '200'
end

class Noop
  include Sidekiq::Worker
  def perform(_number); end
end

class Deliver
  include Sidekiq::Worker
  def perform(number) = post('127.0.0.1', "/deliver/#{number}")
end

class FanOut
  include Sidekiq::Worker
  def perform(total)
    (0...total).each_slice(1000) do |slice|
      Sidekiq::Client.push_bulk('class' => Deliver, 'args' => slice.map { |number| [number] })
    end
  end
end

# To many hosts, some of which may hang; a connection for each request, because no two hosts share one.
class DeliverTo
  include Sidekiq::Worker
  sidekiq_options retry: 3
  def perform(host, number)
    http = Net::HTTP.new(host, SINK_PORT)
    http.open_timeout = http.read_timeout = 10
    http.max_retries = 0
    request = Net::HTTP::Post.new("/#{number}", 'Content-Type' => 'application/x-www-form-urlencoded')
    request.body = FORM
    response = http.start { http.request(request) }
    raise response.code unless response.code == '200'
  end
end

class FanOutTo
  include Sidekiq::Worker
  def perform(total, hosts)
    (0...total).each_slice(1000) do |slice|
      Sidekiq::Client.push_bulk('class' => DeliverTo, 'args' => slice.map { |number|
        at = number % hosts
        ["127.1.#{at / 250}.#{at % 250 + 1}", number]
      })
    end
  end
end
